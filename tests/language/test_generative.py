"""Generative models: their probabilities are those of a plain forward pass, here and behind an endpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tailrank.errors import EncoderError
from tailrank.language.causal import CausalModel
from tailrank.language.endpoint import EndpointModel
from tailrank.language.generative import load_generative_model

PROMPT = "A user bought a red mug. Next: "
CONTINUATIONS = ["a blue mug", "tea", "a teapot of red clay", "żółty 杯"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights."""
    place = tmp_path_factory.mktemp("generative")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    inner.train_from_iterator([PROMPT, *CONTINUATIONS] * 3, trainer)
    make: Any = PreTrainedTokenizerFast
    tokenizer = make(tokenizer_object=inner, bos_token="<s>", eos_token="<s>")
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalModel:
    return CausalModel(str(folder), "cpu")


def plain(folder: Path, text: str) -> tuple[list[int], list[float]]:
    """Tokens of a text, and each one's log probability but for the first, from one forward pass."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logs = LlamaForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0].log_softmax(dim=1)
    return ids, [logs[at - 1, ids[at]].item() for at in range(1, len(ids))]


def served(folder: Path, requests: list[httpx.Request], echo: bool = True) -> httpx.MockTransport:
    """An endpoint that answers as vLLM's does, the model's start token before each prompt included."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        body = json.loads(request.content)
        if request.url.path == "/v1/chat/completions":
            said = body["messages"][0]["content"]
            return httpx.Response(200, json={"choices": [{"index": 0, "message": {"content": said.upper()}}]})
        ids, logs = plain(folder, body["prompt"])
        tokens, found = tokenizer.convert_ids_to_tokens(ids), [None, *logs]
        usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
        if not echo:
            tokens, found = [], []
        scored: dict[str, Any] = {"tokens": [*tokens, "x"], "token_logprobs": [*found, -0.5]}
        return httpx.Response(200, json={"choices": [{"index": 0, "logprobs": scored}], "usage": usage})

    return httpx.MockTransport(answer)


def test_log_probabilities_are_those_of_a_plain_forward_pass(folder: Path, model: CausalModel) -> None:
    prompt = plain(folder, PROMPT)[0]
    whole = [plain(folder, PROMPT + text)[0] for text in CONTINUATIONS]
    shared = [next(at for at in range(len(prompt) + 1) if row[: at + 1] != prompt[: at + 1]) for row in whole]
    wanted = [
        sum(plain(folder, PROMPT + text)[1][at - 1 :]) for text, at in zip(CONTINUATIONS, shared, strict=True)
    ]
    assert min(shared) < len(prompt)  # the prompt's last blank begins the first word of some
    assert model.log_probabilities(PROMPT, CONTINUATIONS) == pytest.approx(wanted, abs=1e-4)
    assert [model.log_probability(PROMPT, text) for text in CONTINUATIONS] == pytest.approx(wanted, abs=1e-4)


def test_an_endpoint_gives_the_same_log_probabilities(folder: Path, model: CausalModel) -> None:
    requests: list[httpx.Request] = []
    endpoint = EndpointModel("http://host/v1", "secret", served(folder, requests))
    found = endpoint.log_probabilities(PROMPT, CONTINUATIONS)
    assert found == pytest.approx(model.log_probabilities(PROMPT, CONTINUATIONS), abs=1e-4)
    assert endpoint.identity == "http://host/v1#tiny"
    assert {request.headers["authorization"] for request in requests} == {"Bearer secret"}
    assert json.loads(requests[-1].content)["model"] == "tiny"


def test_an_endpoint_without_the_prompts_probabilities_is_refused(folder: Path) -> None:
    endpoint = EndpointModel("http://host/v1", None, served(folder, [], echo=False))
    with pytest.raises(
        EncoderError, match=r"no probabilities of the prompt's tokens came back.*such as vLLM"
    ):
        endpoint.log_probability(PROMPT, "tea")


def test_writing_is_cut_at_a_stop(folder: Path, model: CausalModel) -> None:
    whole = model.complete("red mug", 12)
    assert len(whole) > 3
    assert model.complete("red mug", 12) == whole
    assert model.complete("red mug", 12, [whole[2]]) == whole[: whole.index(whole[2])]
    assert EndpointModel("http://host/v1", None, served(folder, [])).complete("red; mug", 9, [";"]) == "RED"


def test_a_busy_endpoint_is_asked_again() -> None:
    statuses, pauses = iter([429, 503, 200]), list[float]()
    models = {"data": [{"id": "one"}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(next(statuses), json=models))
    assert EndpointModel("http://host/v1", None, transport, pauses.append).model == "one"
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (401, "bad key", "GET http://host/v1/models: 401: bad key"),
        (200, "<html>", "not the answer of such an endpoint"),
        (200, '{"data": [{"id": "a"}, {"id": "b"}]}', "serves a, b: name one, as in URL#MODEL"),
    ],
)
def test_an_endpoint_that_refuses_is_named(status: int, text: str, message: str) -> None:
    with pytest.raises(EncoderError, match=message) as caught:
        EndpointModel(
            "http://host/v1", "secret", httpx.MockTransport(lambda _: httpx.Response(status, text=text))
        )
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "sent"), [("secret\r\n", "Bearer secret"), (" secret", "Bearer secret"), ("", None), (" ", None)]
)
def test_a_key_is_sent_without_the_end_of_its_line(key: str, sent: str | None) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"data": [{"id": "one"}]})

    EndpointModel("http://host/v1", key, httpx.MockTransport(answer))
    assert [request.headers.get("authorization") for request in requests] == [sent]


@pytest.mark.parametrize("key", ["sec\nret", "sec\0ret", "sécret"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(EncoderError, match="the key in TAILRANK_MODEL_KEY holds something else") as caught:
        EndpointModel("http://host/v1#one", key)
    assert key not in str(caught.value)
    assert "ret" not in str(caught.value)


def test_a_url_that_cannot_be_one_is_named() -> None:
    with pytest.raises(EncoderError, match=r"http://\[x: no URL .*write it like http://HOST"):
        EndpointModel("http://[x")


def test_what_is_no_generative_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="name a folder, or an endpoint's URL"):
        load_generative_model("nowhere")
    LlamaForCausalLM.from_pretrained(folder).model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match=r"the weights lack lm_head\.weight"):
        load_generative_model(str(tmp_path))


def test_an_empty_text_has_no_probability(model: CausalModel) -> None:
    for prompt, text in (("", "tea"), (PROMPT, "")):
        with pytest.raises(EncoderError, match="has no probability"):
            model.log_probability(prompt, text)
