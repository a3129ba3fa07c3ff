"""A desk in a folder: manifest.json, entries as JSON Lines and vectors as safetensors."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct
from safetensors.numpy import load, save_file

from tailrank.errors import EncoderError, ModelError
from tailrank.files import sha256_of, written_folder
from tailrank.folders import DESK, MANIFEST, check_kind, check_own_folder
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.signals.stored import StoredArrays
from tailrank.tasks.support.chances import Chances
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import Entry, checked_entries
from tailrank.tasks.support.guarantee import Guarantee
from tailrank.tasks.support.likeness import RESPECTS, Likeness, texts_of
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.task_folder import Encoder, LoadEncoder, refuse_other_reading

FORMAT: Final = "tailrank support desk 1"
ENTRIES: Final = "entries.jsonl"
VECTORS: Final = "vectors.safetensors"

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Weight = Annotated[float, Meta(ge=-1e6, le=1e6)]


class UsedEncoder(Struct, frozen=True, forbid_unknown_fields=True):
    """Which encoder reads questions."""

    name: str
    sha256: Digest
    dimension: Annotated[int, Meta(ge=1, le=65_536)]


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the manifest says."""

    format: str
    tailrank: str
    encoder: UsedEncoder
    weights: dict[str, Weight]
    none: Weight
    guarantee: Guarantee
    settings: DeskSettings
    sha256: dict[str, Digest]


def write_desk(desk: SupportDesk, folder: Path) -> None:
    """Write a desk, whole or not at all.

    Raises
    ------
    ModelError
        If the folder can't be written or holds something else, or the encoder doesn't read as it does by its
        name alone.
    """
    check_own_folder(folder, DESK, ModelError)
    refuse_other_reading(desk.encoder)
    encoder, pools = desk.encoder, (desk.likeness.phrasings, desk.likeness.answers)
    vectors = dict(zip(("phrasings", "answers"), (pool.vectors for pool in pools), strict=True))
    try:
        with written_folder(folder) as new:
            (new / ENTRIES).write_bytes(msgspec.json.Encoder().encode_lines(desk.entries))
            save_file(vectors, new / VECTORS)
            manifest = Manifest(
                format=FORMAT,
                tailrank=version("tailrank"),
                encoder=UsedEncoder(encoder.name, encoder.sha256, encoder.dimension),
                weights=dict(zip(RESPECTS, desk.chances.weights.tolist(), strict=True)),
                none=desk.chances.none,
                guarantee=desk.guarantee,
                settings=desk.settings,
                sha256={name: sha256_of(new / name) for name in (ENTRIES, VECTORS)},
            )
            (new / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    except OSError as why:
        raise ModelError(f"{folder}: can't be written ({why.strerror or why}): name another one") from None


def read_desk(
    folder: Path, encoder: Encoder | None = None, load_encoder: LoadEncoder | None = None
) -> SupportDesk:
    """Read a desk.

    Parameters
    ----------
    folder
        What `write_desk` wrote.
    encoder
        The one that it was fitted with; by default it is loaded, to run without torch.
    load_encoder
        How it is loaded, by its name.

    Raises
    ------
    ModelError
        If the folder is missing, damaged or of another format.
    EncoderError
        If the encoder is missing, or another one than the desk was fitted with.
    """
    content = _content(folder)
    manifest = _manifest(folder, content[MANIFEST])
    for name in (ENTRIES, VECTORS):
        if hashlib.sha256(content[name]).hexdigest() != manifest.sha256.get(name):
            raise ModelError(f"{folder / name}: isn't what was written: fit the desk again, or restore it")
    used = manifest.encoder
    if encoder is None and load_encoder is not None:
        encoder = load_encoder(used.name)
    encoder = encoder or OnnxEncoder.load(used.name, sha256=used.sha256)
    if encoder.sha256 != used.sha256:
        raise EncoderError(f"{folder}: was fitted with encoder {used.name!r}, whose weights are others")
    entries = checked_entries(msgspec.json.Decoder(Entry).decode_lines(content[ENTRIES]), str(folder))
    arrays = StoredArrays(load(content[VECTORS]), place=f"{folder / VECTORS}: ")
    phrasings, answers = (
        arrays.floats(name, len(texts), used.dimension, least=-1.01, largest=1.01)
        for name, texts in zip(("phrasings", "answers"), texts_of(entries), strict=True)
    )
    likeness = Likeness.from_entries(entries, phrasings, answers)
    chances = Chances(np.array([manifest.weights[name] for name in RESPECTS]), manifest.none)
    return SupportDesk(entries, likeness, chances, manifest.guarantee, manifest.settings, encoder)


def _content(folder: Path) -> dict[str, bytes]:
    check_kind(folder, DESK, ModelError)
    try:
        return {name: (folder / name).read_bytes() for name in (MANIFEST, ENTRIES, VECTORS)}
    except OSError as why:
        raise ModelError(
            f"{folder}: no support desk ({why.strerror or why}): make one by `tailrank support train`"
        ) from None


def _manifest(folder: Path, content: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as why:
        raise ModelError(f"{folder / MANIFEST}: {why}: fit the desk again, or restore it") from None
    if found.format != FORMAT:
        raise ModelError(f"{folder}: its format is {found.format!r}, not {FORMAT!r}: fit the desk again")
    if found.weights.keys() != set(RESPECTS):
        raise ModelError(f"{folder / MANIFEST}: `weights` must name {', '.join(RESPECTS)}")
    return found
