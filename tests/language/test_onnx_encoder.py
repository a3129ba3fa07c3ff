"""Encoders without torch against the same encoders in torch, float32, and everything that may go wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder_graphs import write_graph
from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language import adapters
from tailrank.language.encoder import TextEncoder
from tailrank.language.exporting import export
from tailrank.language.onnx_encoder import GRAPH, OnnxEncoder
from tailrank.language.reading import Reading
from tailrank.language.sources import find_encoder

pytestmark = pytest.mark.filterwarnings("ignore")  # of tracing: what they warn of is measured

CLOSE = 1e-4
TEXTS = [
    "OPI Nail Lacquer, red",
    "tea",
    "A film about a very long journey through the desert, told by the camel. " * 40,
    "",
    "tea",
    "  Kaffee für Übermüdete ☕ 咖啡 ",
    " \n",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Graphs are kept here, so that each is written once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILRANK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def onnx() -> OnnxEncoder:
    write_graph("default")
    return OnnxEncoder.load()


@pytest.fixture(scope="module")
def small_onnx(small_bert: Path) -> OnnxEncoder:
    write_graph(str(small_bert))
    return OnnxEncoder.load(str(small_bert))


def in_torch(encoder: TextEncoder, texts: list[str]) -> Floats:
    """Encode in float32 whatever the processor, blank texts as zeros."""
    expected = encoder.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return np.where([[bool(text.strip())] for text in texts], expected, 0)


def exported(source: Path, folder: Path, max_tokens: int = 256) -> tuple[TextEncoder, OnnxEncoder]:
    """Give an encoder, and the same as a graph that this process wrote."""
    encoder = TextEncoder.load(str(source), "cpu", max_tokens)
    folder.mkdir()
    export(str(source), Reading(max_tokens), folder)
    onnx = OnnxEncoder.read(folder, encoder.name, encoder.sha256)
    assert (onnx.fingerprint, onnx.dimension) == (encoder.fingerprint, encoder.dimension)
    return encoder, onnx


def adapter(base: Path, folder: Path, method: str) -> Path:
    """Write a head of two maps, and beneath it what peft adds: all of it random."""
    model = TextEncoder.load(str(base), "cpu").model
    torch.manual_seed(1)
    if method == "lora":
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False)
        adapters.adapt(model, get_peft_model(model[0].model, settings))
    if method == "prompt":
        from peft import PromptTuningConfig, get_peft_model

        settings = PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=4)
        adapters.adapt(model, get_peft_model(model[0].model, settings))
    shapes = ((16, 32), (24, 16))
    adapters.add_head(model, [(torch.randn(shape), torch.randn(shape[0])) for shape in shapes])
    folder.mkdir()
    adapters.write(folder, model, find_encoder(str(base)))
    return folder


class TestSameVectors:
    def test_as_the_default(self, encoder: TextEncoder, onnx: OnnxEncoder) -> None:
        vectors = onnx.encode(TEXTS)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, in_torch(encoder, TEXTS), atol=CLOSE)
        assert ((vectors * encoder.encode(TEXTS)).sum(axis=1)[[0, 1, 2, 4, 5]] > 0.9999).all()
        for same in ("name", "sha256", "fingerprint", "dimension"):
            assert getattr(onnx, same) == getattr(encoder, same)

    @pytest.mark.parametrize("method", ["head", "lora", "prompt"])
    def test_as_an_adapter(self, small_bert: Path, tmp_path: Path, method: str) -> None:
        encoder, onnx = exported(adapter(small_bert, tmp_path / method, method), tmp_path / "out")
        assert onnx.dimension == 24
        np.testing.assert_allclose(onnx.encode(TEXTS), in_torch(encoder, TEXTS), atol=CLOSE)
        if method != "head":  # what lies beneath the head counts
            alone = TextEncoder.load(str(adapter(small_bert, tmp_path / "head", "head")), "cpu")
            assert np.abs(onnx.encode(TEXTS) - in_torch(alone, TEXTS)).max() > CLOSE

    def test_as_a_merged_folder(self, small_bert: Path, tmp_path: Path) -> None:
        encoder = TextEncoder.load(str(adapter(small_bert, tmp_path / "lora", "lora")), "cpu")
        adapters.merge(encoder.model)
        encoder.model.save(str(tmp_path / "merged"), create_model_card=False)
        _, onnx = exported(tmp_path / "merged", tmp_path / "out")
        np.testing.assert_allclose(onnx.encode(TEXTS), in_torch(encoder, TEXTS), atol=CLOSE)

    def test_as_a_static_embedding(self, tiny_folder: Path, tmp_path: Path) -> None:
        encoder, onnx = exported(tiny_folder, tmp_path / "out")
        np.testing.assert_allclose(onnx.encode(TEXTS), in_torch(encoder, TEXTS), atol=CLOSE)

    def test_with_the_prefix_that_an_encoder_asks_for(self, small_bert: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(small_bert, tmp_path / "asking"))
        file = copy / "config_sentence_transformers.json"
        asked = {"prompts": {"passage": "passage: "}, "default_prompt_name": "passage"}
        file.write_text(json.dumps(json.loads(file.read_text()) | asked))
        encoder, onnx = exported(copy, tmp_path / "out")
        assert onnx.prefixes.passage == "passage: "
        np.testing.assert_allclose(onnx.encode(TEXTS), in_torch(encoder, TEXTS), atol=CLOSE)
        pooling = copy / "1_Pooling" / "config.json"
        pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"include_prompt": False}))
        with pytest.raises(EncoderError, match="leaves its prompt out of the pooling"):
            export(str(copy), Reading(), tmp_path / "out")

    def test_at_another_length(self, small_bert: Path, tmp_path: Path) -> None:
        encoder, onnx = exported(small_bert, tmp_path / "out", 8)
        np.testing.assert_allclose(onnx.encode(TEXTS), in_torch(encoder, TEXTS), atol=CLOSE)

    @settings(max_examples=40)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5))
    def test_on_any_texts(self, encoder: TextEncoder, onnx: OnnxEncoder, texts: list[str]) -> None:
        vectors = onnx.encode(texts)
        assert vectors.shape == (len(texts), 384)
        if texts:
            np.testing.assert_allclose(vectors, in_torch(encoder, texts), atol=CLOSE)


class TestContract:
    def test_a_vector_hardly_depends_on_its_neighbours(self, onnx: OnnxEncoder) -> None:
        many = [f"item number {i} " + "word " * (i % 40) for i in range(60)]
        assert onnx.encode(many)[39] @ onnx.encode([many[39]])[0] > 1 - CLOSE

    def test_equal_texts_have_equal_vectors_and_none_have_none(self, onnx: OnnxEncoder) -> None:
        vectors = onnx.encode(["tea", "coffee " * 90, "tea"])
        assert (vectors[0] == vectors[2]).all()
        assert onnx.encode([]).shape == (0, 384)

    def test_threads_change_nothing(self, onnx: OnnxEncoder) -> None:
        np.testing.assert_allclose(OnnxEncoder.load(threads=2).encode(TEXTS), onnx.encode(TEXTS), atol=CLOSE)

    @pytest.mark.parametrize(
        ("texts", "message"),
        [(["a", None], "text 1 is None"), ("tea", "not one string"), (["\ud800"], "text 0")],
    )
    def test_refuses_what_is_not_text(self, onnx: OnnxEncoder, texts: Any, message: str) -> None:
        with pytest.raises(EncoderError, match=message):
            onnx.encode(texts)

    def test_refuses_lengths_and_threads_below_one(self) -> None:
        with pytest.raises(EncoderError, match="must be at least 1"):
            OnnxEncoder.load(max_tokens=0)
        with pytest.raises(EncoderError, match="must be at least 1"):
            OnnxEncoder.load(threads=0)

    def test_damaged_weights_are_told(self, tiny_folder: Path, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
        nothing = np.full((30522, 8), np.nan, dtype=np.float32)
        save_file({"embedding.weight": nothing}, copy / "model.safetensors")
        with pytest.raises(EncoderError, match="NaN"):
            export(str(copy), Reading(), tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("adapter.json", {"base": "package:this"}, "no package of weights"),
        ("adapter.json", {"base": ["x"]}, "adapter is damaged"),
        ("adapter.json", {"max_tokens": "many"}, "adapter is damaged"),
        ("adapter.json", {"format": "tailrank adapter 9"}, "of the format"),
        (
            "peft/adapter_config.json",
            {"megatron_config": {}, "megatron_core": "this"},
            "names code to import",
        ),
        ("peft/adapter_config.json", {"peft_type": "NOVEL"}, "adapter is damaged"),
        ("peft/adapter_config.json", {"target_modules": 3}, "adapter is damaged"),
    ],
)
def test_an_adapter_that_says_something_strange_is_refused(
    small_bert: Path, tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    folder = adapter(small_bert, tmp_path / "lora", "lora")
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    with pytest.raises(EncoderError, match=message):
        TextEncoder.load(str(folder), "cpu")
    assert "this" not in sys.modules


@pytest.mark.parametrize("shape", [(16, 31), (16,), (0, 32)])
def test_a_head_that_does_not_fit_is_refused(
    small_bert: Path, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    from safetensors.torch import save_file

    folder = adapter(small_bert, tmp_path / "head", "head")
    head = {"0.weight": torch.ones(shape), "0.bias": torch.ones(16)}
    save_file(head, folder / adapters.HEAD_FILE)
    with pytest.raises(EncoderError, match="adapter is damaged"):
        TextEncoder.load(str(folder), "cpu")


def test_other_weights_are_refused_before_anything_is_made_of_them(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    found = find_encoder(str(tiny_folder)).sha256
    with pytest.raises(
        EncoderError, match=f"sha256 {found[:12]}, expected 000000000000.*train the model again"
    ):
        OnnxEncoder.load(str(tiny_folder), sha256="0" * 64)
    assert not (tmp_path / "cache").exists()


def test_nothing_of_torch_is_imported(onnx: OnnxEncoder, encoder: TextEncoder) -> None:
    program = (
        "import sys, json\n"
        "from tailrank.language.onnx_encoder import OnnxEncoder\n"
        "vector = OnnxEncoder.load().encode(['tea'])[0].tolist()\n"
        "print(json.dumps([vector, sorted({name.partition('.')[0] for name in sys.modules})]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    vector, modules = json.loads(done.stdout)
    np.testing.assert_allclose(vector, in_torch(encoder, ["tea"])[0], atol=CLOSE)
    assert not {"torch", "transformers", "sentence_transformers", "onnx"} & set(modules)
    assert "onnxruntime" in modules


class TestCache:
    def test_processes_at_once_wait_for_each_other_to_write_a_damaged_graph_anew(
        self, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path))
        write_graph(str(tiny_folder))
        told = OnnxEncoder.load(str(tiny_folder)).encode(["tea"]).tolist()
        [graph] = tmp_path.rglob(GRAPH)
        whole = graph.read_bytes()
        graph.write_bytes(whole[: len(whole) // 2])
        program = (
            "import sys; from tailrank.language.onnx_encoder import OnnxEncoder\n"
            "print(OnnxEncoder.load(sys.argv[1]).encode(['tea']).tolist())\n"
        )
        command = [sys.executable, "-c", program, str(tiny_folder)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [json.loads(process.communicate(timeout=300)[0]) for process in both] == [told] * 2
        assert [process.returncode for process in both] == [0, 0]
        assert len(graph.read_bytes()) == len(whole)
        left = sorted(path.suffix for path in (tmp_path / "onnx").iterdir())
        assert left == ["", ".lock"]

    def test_without_torch_the_remedy_is_named(
        self, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "sentence_transformers.py").write_text("raise ImportError('not installed')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
        with pytest.raises(EncoderError, match=r'without torch: .*pip install "tailrank\[language\]"'):
            OnnxEncoder.load(str(tiny_folder))
        assert [path.suffix for path in (tmp_path / "cache" / "onnx").iterdir()] == [".lock"]

    def test_a_cache_that_can_t_be_written(
        self, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "file"))
        with pytest.raises(EncoderError, match="set TAILRANK_CACHE"):
            OnnxEncoder.load(str(tiny_folder))

    def test_a_base_that_changed_is_refused(self, small_bert: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(small_bert, tmp_path / "copy"))
        folder = adapter(copy, tmp_path / "head", "head")
        (copy / "modules.json").write_text((copy / "modules.json").read_text() + "\n")
        with pytest.raises(EncoderError, match="another version"):
            OnnxEncoder.load(str(folder))

    def test_a_graph_that_gives_other_vectors_is_refused(
        self, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = OnnxEncoder.encode
        monkeypatch.setattr(OnnxEncoder, "encode", lambda self, texts: other(self, texts[::-1]))
        with pytest.raises(EncoderError, match="its graph gives other vectors"):
            export(str(tiny_folder), Reading(), tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        "Donaudampfschifffahrtsgesellschaft und Rindfleischetikettierung ",
        "हिन्दी में एक लंबा शीर्षक जो कभी समाप्त नहीं होता ",
        "一本关于沙漠中漫长旅程的书",
        "https://example.org/a/very/long/path?with=many&parameters=1234567890 ",
        "tea, \n\n\n\t  ",
    ],
)
def test_what_is_behind_the_last_token_is_not_looked_at(
    small_onnx: OnnxEncoder, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    text = words * (400_000 // len(words))
    found = small_onnx.encode([text])
    monkeypatch.setattr("tailrank.language.batches.CHARACTERS_A_TOKEN", len(text))
    assert np.array_equal(found, small_onnx.encode([text]))
