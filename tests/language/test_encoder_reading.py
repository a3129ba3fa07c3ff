"""How an encoder reads: pooling, prefixes, fewer dimensions; in torch, and as a graph of another program."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.language.exporting import export
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.reading import Reading
from tailrank.language.sources import find_encoder
from tailrank.language.store import VectorStore

pytestmark = pytest.mark.filterwarnings("ignore")  # of tracing

TEXTS = ["OPI Nail Lacquer, red", "tea", "a mug of Kaffee for two"]
PROMPTS = {"prompts": {"query": "query: ", "document": "passage: "}}


def hidden(folder: Path, text: str) -> Floats:
    """Give the vectors of a text's tokens, by transformers alone: shape (tokens, d)."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        vectors: Floats = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0].numpy()
    return vectors


def unit(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


def write(file: Path, **changes: Any) -> None:
    known = json.loads(file.read_text()) if file.exists() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(known | changes))


@pytest.fixture(scope="module")
def exported(small_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph as optimum lays it out, exported by torch: `onnx/model.onnx`, tokenizer, settings."""
    folder = tmp_path_factory.mktemp("exported")
    network, tokenizer = (
        AutoModel.from_pretrained(small_bert).eval(),
        AutoTokenizer.from_pretrained(small_bert),
    )
    tokenizer.save_pretrained(folder)
    network.config.save_pretrained(folder)
    (folder / "onnx").mkdir()
    names, axes = ("input_ids", "attention_mask"), {0: "texts", 1: "tokens"}
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    torch.onnx.export(
        Hidden(network),
        tuple(inputs[name] for name in names),
        str(folder / "onnx" / "model.onnx"),
        input_names=list(names),
        output_names=["last_hidden_state"],
        dynamic_axes=dict.fromkeys((*names, "last_hidden_state"), axes),
        dynamo=False,
    )
    write(folder / "1_Pooling" / "config.json", pooling_mode="mean")
    return folder


class Hidden(torch.nn.Module):
    """The vectors of tokens alone."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        return found


def without_padding(folder: Path) -> None:
    write(folder / "tokenizer.json", padding=None)
    write(folder / "tokenizer_config.json", pad_token=None)


def with_strange_padding(folder: Path) -> None:
    without_padding(folder)
    write(folder / "tokenizer_config.json", pad_token=5)


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


@pytest.mark.parametrize("mode", ["mean", "cls", "lasttoken"])
def test_vectors_are_pooled_as_the_folder_says(
    small_bert: Path, exported: Path, tmp_path: Path, mode: str
) -> None:
    pooled = {
        "mean": lambda each: each.mean(0),
        "cls": lambda each: each[0],
        "lasttoken": lambda each: each[-1],
    }
    expected = unit(np.array([pooled[mode](hidden(small_bert, text)) for text in TEXTS]))
    whole = copied(small_bert, tmp_path)
    write(whole / "1_Pooling" / "config.json", pooling_mode=mode)
    found = TextEncoder.load(str(whole), "cpu").encode(TEXTS)
    assert ((found * expected).sum(axis=1) > 0.999).all()  # in bfloat16, where the processor has it
    graph = copied(exported, tmp_path / "graph")
    write(graph / "1_Pooling" / "config.json", pooling_mode=mode)
    np.testing.assert_allclose(OnnxEncoder.load(str(graph)).encode(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["torch", "graph"])
def test_items_and_words_of_users_have_the_prefixes_of_the_folder(
    small_bert: Path, exported: Path, tmp_path: Path, kind: str
) -> None:
    source = small_bert if kind == "torch" else exported
    plain = TextEncoder.load(str(source), "cpu")
    copy = copied(source, tmp_path)
    write(copy / "config_sentence_transformers.json", **PROMPTS)
    told = TextEncoder.load(str(copy), "cpu")
    chosen = TextEncoder.load(str(source), "cpu", query="query: ", passage="passage: ")
    for encoder in (told, chosen):
        np.testing.assert_array_equal(encoder.encode(["tea"]), plain.encode(["passage: tea"]))
        np.testing.assert_array_equal(encoder.encode_queries(["tea"]), plain.encode(["query: tea"]))
        assert encoder.fingerprint != plain.fingerprint
    assert TextEncoder.load(str(copy), "cpu", passage="").encode(["tea"]) @ plain.encode(["tea"]).T > 0.9999


def test_a_graph_for_servers_reads_as_the_model_was_trained(small_bert: Path, tmp_path: Path) -> None:
    reading = Reading(dimensions=8, query="query: ", passage="passage: ")
    encoder = TextEncoder.load(str(small_bert), "cpu", **asdict(reading))
    export(str(small_bert), reading, tmp_path)
    onnx = OnnxEncoder.read(tmp_path, encoder.name, encoder.sha256)
    assert (onnx.fingerprint, onnx.dimension) == (encoder.fingerprint, 8)
    assert ((onnx.encode(TEXTS) * encoder.encode(TEXTS)).sum(axis=1) > 0.999).all()
    assert ((onnx.encode_queries(TEXTS) * encoder.encode_queries(TEXTS)).sum(axis=1) > 0.999).all()


def test_the_first_dimensions_are_scaled_to_length_one_and_kept_apart(
    small_bert: Path, exported: Path, tmp_path: Path
) -> None:
    store = VectorStore(tmp_path)
    for source in (small_bert, exported):
        whole, cut = TextEncoder.load(str(source), "cpu"), TextEncoder.load(str(source), "cpu", dimensions=8)
        assert (cut.dimension, cut.sha256) == (8, whole.sha256)
        vectors = [store.vectors(TEXTS, encoder) for encoder in (whole, cut)]
        np.testing.assert_allclose(vectors[1], unit(vectors[0][:, :8]), atol=1e-6)
        with pytest.raises(EncoderError, match="width 32: dimensions can be at most that, not 33"):
            TextEncoder.load(str(source), "cpu", dimensions=33)


class TestGraphs:
    def test_long_texts_are_cut_and_weights_are_told_by_name(self, exported: Path) -> None:
        encoder = TextEncoder.load(str(exported), "cpu", max_tokens=4)
        np.testing.assert_array_equal(encoder.encode(["tea with milk"]), encoder.encode(["tea with honey"]))
        assert encoder.sha256 == find_encoder(str(exported)).digests["onnx/model.onnx"]

    def test_one_can_encode_but_not_learn(self, exported: Path) -> None:
        with pytest.raises(EncoderError, match="can encode but not learn"):
            _ = TextEncoder.load(str(exported), "cpu").model

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda folder: (folder / "tokenizer.json").unlink(), r"tokenizer\.json: missing"),
            (lambda folder: shutil.rmtree(folder / "1_Pooling"), r'such as {"pooling_mode": "mean"}'),
            (lambda folder: write(folder / "1_Pooling/config.json", pooling_mode="sum"), "one of mean, cls"),
            (lambda folder: (folder / "1_Pooling/config.json").write_text("{"), "damaged"),
            (lambda folder: write(folder / "1_Pooling/config.json", include_prompt=False), "prompt"),
            (lambda folder: (folder / "onnx/model.onnx").write_bytes(b"none"), "onnxruntime can't read"),
            (without_padding, "no padding token"),
            (lambda folder: write(folder / "1_Pooling/config.json", pooling_mode=5), "one of mean, cls"),
            (lambda folder: write(folder / "1_Pooling/config.json", pooling_mode=[[]]), "one of mean, cls"),
            (lambda folder: (folder / "modules.json").write_text("[{}]"), r"modules\.json: damaged .*`type`"),
            (lambda folder: (folder / "modules.json").write_text("[" * 100_000), r"modules\.json: damaged"),
            (
                lambda folder: (folder / "config_sentence_transformers.json").write_text('{"prompts": 5}'),
                r"config_sentence_transformers\.json: damaged .*`\$\.prompts`",
            ),
            (with_strange_padding, r"tokenizer_config\.json: damaged .*`\$\.pad_token`"),
        ],
    )
    def test_what_does_not_fit_is_told(
        self, exported: Path, tmp_path: Path, damage: Any, message: str
    ) -> None:
        copy = copied(exported, tmp_path)
        damage(copy)
        with pytest.raises(EncoderError, match=message):
            TextEncoder.load(str(copy), "cpu")

    def test_a_graph_may_read_narrower_whole_numbers_but_no_others(
        self, exported: Path, tmp_path: Path
    ) -> None:
        import onnx

        copy = copied(exported, tmp_path)
        wanted = TextEncoder.load(str(copy), "cpu").encode(TEXTS)
        graph = onnx.load(exported / "onnx" / "model.onnx")
        for each in graph.graph.input:
            for node in graph.graph.node:
                node.input[:] = [f"{name} wide" if name == each.name else name for name in node.input]
            each.type.tensor_type.elem_type = onnx.TensorProto.INT32
            cast = onnx.helper.make_node(
                "Cast", [each.name], [f"{each.name} wide"], to=onnx.TensorProto.INT64
            )
            graph.graph.node.insert(0, cast)
        onnx.save(graph, copy / "onnx" / "model.onnx")
        np.testing.assert_array_equal(TextEncoder.load(str(copy), "cpu").encode(TEXTS), wanted)
        for each in graph.graph.input:
            each.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        onnx.save(graph, copy / "onnx" / "model.onnx")
        with pytest.raises(EncoderError, match=r"it reads input_ids as tensor\(float\).*or tensor\(int32\)"):
            TextEncoder.load(str(copy), "cpu")

    def test_inputs_and_outputs_that_do_not_fit_are_told(self, exported: Path, tmp_path: Path) -> None:
        import onnx

        copy = copied(exported, tmp_path)
        graph = onnx.load(exported / "onnx" / "model.onnx")
        extra = onnx.helper.make_tensor_value_info(
            "position_ids", onnx.TensorProto.INT64, ["texts", "tokens"]
        )
        graph.graph.input.append(extra)
        onnx.save(graph, copy / "onnx" / "model.onnx")
        with pytest.raises(EncoderError, match="it reads position_ids"):
            TextEncoder.load(str(copy), "cpu")
        ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["texts", "tokens"])
        kept = onnx.helper.make_tensor_value_info("kept", onnx.TensorProto.INT64, ["texts", "tokens"])
        same = onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["input_ids"], ["kept"])], "g", [ids], [kept]
        )
        onnx.save(
            onnx.helper.make_model(same, opset_imports=graph.opset_import, ir_version=graph.ir_version),
            copy / "onnx" / "model.onnx",
        )
        with pytest.raises(EncoderError, match="no fixed width"):
            TextEncoder.load(str(copy), "cpu")
