"""The vector store: warm equals cold, crashes at any byte, two processes, damage, a full disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore

TEXTS = ["green tea", "coffee", "", "green tea", "a mug of cocoa"]

WRITER = """
import sys
from pathlib import Path
from tailrank.language import store
from tailrank.language.encoder import TextEncoder
store.CHUNK = 3
encoder = TextEncoder.load(sys.argv[2], device="cpu")
texts = [f"text number {i}" for i in range(int(sys.argv[3]))]
store.VectorStore(Path(sys.argv[1])).vectors(texts, encoder)
"""


def start_writer(root: Path, encoder: Path, n: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(encoder), str(n)], stderr=subprocess.PIPE
    )


def wait_for(keys: Path, writer: "subprocess.Popen[bytes]") -> None:
    """Wait until a process has written the first keys, or ended."""
    while writer.poll() is None and not (keys.exists() and keys.stat().st_size):
        time.sleep(0.005)


def test_warm_equals_cold_bit_by_bit(encoder: TextEncoder, tmp_path: Path) -> None:
    cold = VectorStore(tmp_path).vectors(TEXTS, encoder)
    warm = VectorStore(tmp_path).vectors(TEXTS[::-1], encoder)[::-1]
    assert cold.tobytes() == warm.tobytes()
    assert (np.sum(cold * encoder.encode(TEXTS), axis=1)[[0, 1, 3, 4]] > 0.9999).all()
    assert not cold[2].any()


def test_only_new_texts_are_encoded(tiny: TextEncoder, tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    assert store.missing(TEXTS, tiny) == ["a mug of cocoa", "green tea", "coffee"]
    store.vectors(TEXTS, tiny)
    assert store.missing(["coffee", "Coffee"], tiny) == ["Coffee"]
    told = []

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        told.append((task, done, total))

    store.vectors(["coffee", "Coffee"], tiny, progress)
    assert told[-1] == ("encoding", 1, 1)
    assert (store.folder(tiny) / "keys").stat().st_size == 4 * 16


def test_another_encoder_never_reuses_vectors(
    encoder: TextEncoder, tiny: TextEncoder, tmp_path: Path
) -> None:
    VectorStore(tmp_path).vectors(TEXTS, tiny)
    assert len(VectorStore(tmp_path).missing(TEXTS, encoder)) == 3


def test_a_text_that_the_encoder_reads_nothing_in_is_no_damage(tiny: TextEncoder, tmp_path: Path) -> None:
    store, invisible = VectorStore(tmp_path), "\u200b"
    assert not store.vectors([invisible, "tea"], tiny)[0].any()
    assert store.missing([invisible], tiny) == []


@pytest.mark.parametrize("name", ["keys", "vectors.f32"])
def test_a_file_cut_at_any_byte_is_mended(tiny: TextEncoder, tmp_path: Path, name: str) -> None:
    store = VectorStore(tmp_path)
    expected = store.vectors(TEXTS, tiny)
    file = store.folder(tiny) / name
    whole = file.read_bytes()
    for size in range(len(whole)):
        os.truncate(file, size)
        assert len(store.missing(TEXTS, tiny)) == 3 - size * 3 // len(whole)
        np.testing.assert_allclose(store.vectors(TEXTS, tiny), expected, atol=1e-6)
        assert file.stat().st_size == len(whole)


def test_a_killed_run_resumes(tiny: TextEncoder, tiny_folder: Path, tmp_path: Path) -> None:
    store, n = VectorStore(tmp_path), 6000
    keys = store.folder(tiny) / "keys"
    writer = start_writer(tmp_path, tiny_folder, n)
    wait_for(keys, writer)
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    texts = [f"text number {i}" for i in range(n)]
    left = store.missing(texts, tiny)
    assert 0 < len(left) < n
    np.testing.assert_allclose(store.vectors(texts, tiny), tiny.encode(texts), atol=1e-6)
    assert keys.stat().st_size == n * 16


def test_two_processes_encode_each_text_once(
    tiny: TextEncoder, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.language.store.CHUNK", 3)
    store, n = VectorStore(tmp_path), 600
    keys, texts = store.folder(tiny) / "keys", [f"text number {i}" for i in range(n)]
    writer = start_writer(tmp_path, tiny_folder, n)
    wait_for(keys, writer)
    np.testing.assert_allclose(store.vectors(texts, tiny), tiny.encode(texts), atol=1e-6)
    assert writer.communicate()[1] == b""
    assert writer.returncode == 0
    assert keys.stat().st_size == n * 16
    assert store.missing(texts, tiny) == []


def test_damaged_stores_say_which_folder_to_delete(tiny: TextEncoder, tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    store.vectors(TEXTS, tiny)
    folder = store.folder(tiny)
    label, vectors = (folder / "encoder.json").read_text(), (folder / "vectors.f32").read_bytes()
    wrong = [
        label.replace("vectors 1", "vectors 9"),
        label.replace('"dimension": 8', '"dimension": 4'),
        "{",
        "[]",
        "",
    ]
    for text in wrong:
        (folder / "encoder.json").write_text(text)
        with pytest.raises(EncoderError, match=f"{folder}.*delete this folder"):
            store.vectors(TEXTS, tiny)
    (folder / "encoder.json").write_text(label)
    for bad in (np.nan, np.inf, 7.0):
        (folder / "vectors.f32").write_bytes(np.full(len(vectors) // 4, bad, "<f4").tobytes())
        with pytest.raises(EncoderError, match=f"{folder}.*delete this folder"):
            store.vectors(TEXTS, tiny)


def test_a_full_disk_is_told_and_costs_nothing(tiny: TextEncoder, tmp_path: Path) -> None:
    store = VectorStore(tmp_path)
    store.vectors(TEXTS, tiny)
    more = [*TEXTS, *(f"more {i}" for i in range(200))]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(EncoderError, match=r"no space left.*TAILRANK_CACHE"):
            store.vectors(more, tiny)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(store.missing(more, tiny)) == 200
    np.testing.assert_allclose(store.vectors(more, tiny), tiny.encode(more), atol=1e-6)


def test_a_place_that_cannot_be_written_names_the_remedy(tiny: TextEncoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EncoderError, match="TAILRANK_CACHE"):
        VectorStore(tmp_path / "file").vectors(TEXTS, tiny)


def test_texts_are_checked_before_anything_is_written(tiny: TextEncoder, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="text 1"):
        VectorStore(tmp_path).vectors(["tea", None], tiny)  # type: ignore[list-item]
    assert VectorStore(tmp_path).vectors([], tiny).shape == (0, 8)
