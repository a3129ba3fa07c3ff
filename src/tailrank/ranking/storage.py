"""The model folder: a manifest, safetensors and Parquet, written beside and renamed."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import save

from tailrank.errors import ModelError
from tailrank.files import written_folder
from tailrank.signals.base import Arrays

FORMAT: Final = "tailrank model 4"
MANIFEST: Final = "manifest.json"
ARRAYS: Final = "signals.safetensors"
ITEMS: Final = "items.parquet"
DTYPES: Final = {"U8": "u1", "I32": "<i4", "I64": "<i8", "F32": "<f4", "F64": "<f8"}
"""Those that models hold, in the words of safetensors and of NumPy."""

PACKAGES: Final = ("tailrank", "numpy", "polars", "safetensors", "scipy")

Content: TypeAlias = bytes | mmap.mmap


def write_model(folder: Path, items: pl.DataFrame, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write a model folder; a reader sees the old one or the new one, never half of one.

    Parameters
    ----------
    folder
        Replaced if it already holds a model.
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
        place = folder.resolve()
        if place.exists() and not (place / MANIFEST).is_file() and (place.is_file() or any(place.iterdir())):
            raise ModelError(f"{folder} exists and is not a model folder: choose another folder")
        with written_folder(folder) as new:
            _fill(new, items, arrays, description)
    except (OSError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise ModelError(f"{folder}: can't be written ({error}): choose another folder") from None
    except TypeError as error:
        raise ModelError(f"{folder}: can't be written as JSON ({error}): change `about`") from None


def read_model(folder: Path) -> tuple[pl.DataFrame, Arrays, dict[str, Any]]:
    """Open what `write_model` wrote, after checking every byte.

    The arrays are read-only views of the mapped file, so that processes share its pages. It may be renamed or
    removed meanwhile.

    Raises
    ------
    ModelError
        If the folder is missing, damaged, edited, or of another format.
    """
    try:
        written = (folder / MANIFEST).read_bytes()
        manifest = json.loads(written)
    except OSError as error:
        raise ModelError(
            f"{folder / MANIFEST}: can't be read ({error.strerror}): is this a model folder?"
        ) from None
    except (ValueError, RecursionError):
        raise ModelError(f"{folder / MANIFEST}: damaged (not JSON): train the model again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"{folder}: not of the format {FORMAT!r}: train it again with this version")
    digest = manifest.pop("sha256", None)
    if digest != _sha256(_as_json(manifest)) or written != _as_json(manifest | {"sha256": digest}):
        raise ModelError(f"{folder / MANIFEST}: edited or damaged: train the model again")
    files = {name: _checked(folder / name, digest) for name, digest in manifest["files"].items()}
    try:
        return pl.read_parquet(BytesIO(files[ITEMS])), _arrays(files[ARRAYS]), manifest
    except (KeyError, ValueError, pl.exceptions.PolarsError) as error:
        raise ModelError(f"{folder}: can't be read ({error})") from None


def _checked(path: Path, digest: str) -> Content:
    """Map a file, and compare its sha256."""
    try:
        with path.open("rb") as file:
            # An empty file can't be mapped.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror}): train the model again") from None
    if _sha256(content) != digest:
        raise ModelError(f"{path}: truncated, edited or damaged: train the model again")
    return content


def _arrays(content: Content) -> Arrays:
    """View the arrays of a safetensors file: the length of a header, the header as JSON, then raw numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {name: _array(content, start, **about) for name, about in header.items()}


def _array(
    content: Content, start: int, dtype: str, shape: list[int], data_offsets: list[int]
) -> npt.NDArray[Any]:
    at, end = data_offsets
    kind = np.dtype(DTYPES[dtype])
    return np.frombuffer(content, kind, (end - at) // kind.itemsize, start + at).reshape(shape)


def _fill(folder: Path, items: pl.DataFrame, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write the three files into an empty folder, the manifest last."""
    items.write_parquet(folder / ITEMS)
    (folder / ARRAYS).write_bytes(save(dict(arrays)))
    manifest = {
        "format": FORMAT,
        "packages": {name: version(name) for name in PACKAGES},
        "files": {name: _sha256((folder / name).read_bytes()) for name in (ITEMS, ARRAYS)},
        **description,
    }
    digest = _sha256(_as_json(manifest))
    (folder / MANIFEST).write_bytes(_as_json(manifest | {"sha256": digest}))


def _as_json(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()


def _sha256(content: Content) -> str:
    return hashlib.sha256(content).hexdigest()
