"""The files of a model folder: a manifest, safetensors and Parquet.

The manifest names the others by their content and is written last, so it alone says which model a folder
holds: whoever reads it first finds the files that belong to it, however often others take its place.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import save

from tailrank.data.columns import Columns
from tailrank.errors import ModelError, TailrankError
from tailrank.files import UNFINISHED, exclusive, is_writable, joining_files, written_file
from tailrank.folders import MANIFEST, MODEL, check_kind, check_own_folder, kind_of
from tailrank.ranking.arrays_file import Content, mapped, read_arrays
from tailrank.ranking.manifest import (
    ARRAYS,
    FORMAT,
    ITEMS,
    READABLE,
    Manifest,
    named_by_content,
    read_manifest,
)
from tailrank.signals.base import Arrays

PATIENCE: Final = 60.0
"""Seconds to wait for another process to make a copy of the arrays."""

PACKAGES: Final = ("tailrank", "numpy", "polars", "safetensors", "scipy")

_OWN_FILES: Final = re.compile(
    rf"(items|signals)(-[0-9a-f]{{16}})?\.(parquet|safetensors)|{re.escape(UNFINISHED)}.*"
)


@dataclass(frozen=True)
class StoredModel:
    """A model as its files hold it.

    Attributes
    ----------
    manifest
        Checked field by field.
    items
        The catalogue, with distinct ids.
    arrays
        Everything numeric, not yet checked against the rest.
    arrays_file
        Where the arrays come from.
    """

    manifest: Manifest
    items: pl.DataFrame
    arrays: Arrays
    arrays_file: Path


def write_model(folder: Path, items: pl.DataFrame, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write a model into a folder; a reader sees the old one or the new one, never half of one.

    The files of the model that was there stay, for those who read it; older ones are removed.

    Parameters
    ----------
    folder
        Made if there is none; the new model takes the place of one that it holds.
    items
        The catalogue.
    arrays
        Everything numeric.
    description
        The rest, as JSON.

    Raises
    ------
    ModelError
        If the folder holds something else than a model, or can't be written.
    """
    try:
        place = check_place(folder)
        present, since = _present(place)
        names = _write(place, items, arrays, description)
        _remove_outdated(place, names | present, since)
    except (OSError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise ModelError(f"{folder}: can't be written ({error}): choose another folder") from None
    except TypeError as error:
        raise ModelError(f"{folder}: can't be written as JSON ({error}): change `about`") from None


def check_place(folder: Path) -> Path:
    """Check before long work that a model may be written to a folder; gives the path that links lead to.

    Raises
    ------
    ModelError
        If the folder holds something else than a model, or can't be written to.
    """
    place = folder.resolve()
    if not _was_interrupted(place):
        check_own_folder(folder, MODEL, ModelError)
    if not is_writable(place):
        raise ModelError(f"{folder}: can't be written to: choose another folder")
    return place


def read_model(folder: Path, copies: Path | None = None) -> StoredModel:
    """Read what `write_model` wrote, after checking every byte; the folder may change afterwards.

    Parameters
    ----------
    folder
        Where it was written.
    copies
        A folder in which processes that rank by the same model share one copy of its arrays: these are
        read-only views of the mapped copy. Without one, they are in this process's memory.

    Raises
    ------
    ModelError
        If the folder is missing, damaged, edited, or of another format.
    """
    check_kind(folder, MODEL, ModelError)
    manifest = folder / MANIFEST
    while True:
        written = _content(manifest, "is this a model folder?")
        try:
            return _read(folder, written, copies)
        except ModelError:
            if _content(manifest, "is this a model folder?") == written:
                raise  # else another model has taken its place, and the files of this one may have gone


def model_manifest(folder: Path) -> Manifest:
    """Read what a model folder says of itself, without reading its other files.

    Raises
    ------
    ModelError
        If the manifest is missing, edited or of another format.
    """
    check_kind(folder, MODEL, ModelError)
    return _checked_manifest(folder, _content(folder / MANIFEST, "is this a model folder?"))


def _was_interrupted(place: Path) -> bool:
    """Whether a folder holds nothing but what a writer of models left, and perhaps a damaged manifest."""
    names = {path.name for path in place.iterdir()} if place.is_dir() else set()
    ours = {name for name in names if _OWN_FILES.fullmatch(name)}
    return bool(ours) and kind_of(place) is None and names <= ours | {MANIFEST}


def _write(place: Path, items: pl.DataFrame, arrays: Arrays, description: Mapping[str, Any]) -> set[str]:
    """Write the files of a model; returns the names of those that the manifest speaks of."""
    parquet = BytesIO()
    items.write_parquet(parquet)
    content = {ITEMS: parquet.getvalue(), ARRAYS: save(dict(arrays))}
    digests = {name: _sha256(each) for name, each in content.items()}
    packages = {name: version(name) for name in PACKAGES}
    manifest = {"format": FORMAT, "packages": packages, "files": digests, **description}
    manifest["sha256"] = _sha256(_as_json(manifest))
    files = {named_by_content(name, digests[name]): each for name, each in content.items()}
    with joining_files(place, MANIFEST) as new:
        for name, each in {**files, MANIFEST: _as_json(manifest)}.items():
            (new / name).write_bytes(each)
    return set(files)


def _present(place: Path) -> tuple[set[str], float]:
    """Name the files of the model that a folder holds, and say when its manifest was written; if any."""
    try:
        manifest = place / MANIFEST
        found = _checked_manifest(place, manifest.read_bytes())
        return set(found.file_names), manifest.stat().st_mtime
    except (ModelError, OSError):
        return set(), 0.0


def _remove_outdated(place: Path, kept: set[str], before: float) -> None:
    """Remove what older models and interrupted writers left, but nothing that is being written."""
    for path in place.iterdir():
        if _OWN_FILES.fullmatch(path.name) and path.name not in kept:
            with suppress(OSError):  # another process may do the same
                if path.lstat().st_mtime < before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _read(folder: Path, written: bytes, copies: Path | None) -> StoredModel:
    """Read the files that a manifest speaks of."""
    manifest = _checked_manifest(folder, written)
    items_file, arrays_file = (folder / name for name in manifest.file_names)
    items = _checked(items_file, manifest.files.items)
    arrays = _arrays(arrays_file, manifest.files.signals, copies)
    try:
        catalogue = pl.read_parquet(BytesIO(items))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ModelError(f"{items_file}: can't be read ({error}): train the model again") from None
    ids = catalogue.get_column(Columns.ITEM, default=None)
    if ids is None or ids.dtype != pl.String or ids.has_nulls() or ids.n_unique() < len(ids):
        raise ModelError(
            f"{items_file}: `{Columns.ITEM}` is no column of distinct ids: train the model again"
        )
    try:
        return StoredModel(manifest, catalogue, read_arrays(arrays), arrays_file)
    except ModelError as error:
        raise ModelError(f"{arrays_file}: {error}: train the model again") from None


def _checked_manifest(folder: Path, written: bytes) -> Manifest:
    """Check that a manifest is as it was written, and every field of it."""
    file = folder / MANIFEST
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        raise ModelError(f"{file}: damaged (not JSON): train the model again") from None
    if not isinstance(found, dict) or found.get("format") not in READABLE:
        raise ModelError(f"{folder}: not of the format {FORMAT!r}: train it again with this version")
    digest = found.pop("sha256", None)
    if digest != _sha256(_as_json(found)) or written != _as_json(found | {"sha256": digest}):
        raise ModelError(f"{file}: edited or damaged: train the model again")
    try:
        return read_manifest(found | {"sha256": digest})
    except TailrankError as error:
        raise ModelError(
            f"{file}: holds what this version doesn't know ({error}): train it again with this version"
        ) from None


def _arrays(path: Path, digest: str, copies: Path | None) -> Content:
    """Read a file of arrays, or map a copy of it: the file itself may be overwritten in place.

    A copy that can't be made is done without. Copies for other models are removed; who mapped one keeps it.
    """
    content: Content = _checked(path, digest)
    if copies is None or not content:
        return content
    copy = copies / digest
    # Processes that start together would each replace the copy that another one has mapped.
    with suppress(OSError), exclusive(copies.with_name(f"{copies.name}.lock"), PATIENCE):
        if not copy.exists():
            with written_file(copy) as new:
                new.write_bytes(content)
        content = mapped(copy)
        for other in copies.iterdir():
            if other.is_file() and other != copy:
                other.unlink(missing_ok=True)
    return content


def _checked(path: Path, digest: str) -> bytes:
    """Read a file, and compare its sha256."""
    content = _content(path, "train the model again")
    if _sha256(content) != digest:
        raise ModelError(f"{path}: truncated, edited or damaged: train the model again")
    return content


def _content(path: Path, remedy: str) -> bytes:
    """Read a file of a model folder: no link, which may lead anywhere, and no device or pipe."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ModelError(f"{path}: no ordinary file: put the file itself there")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror}): {remedy}") from None


def _as_json(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
