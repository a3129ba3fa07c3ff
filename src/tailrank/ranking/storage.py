"""The model folder: a manifest, safetensors and Parquet, written beside and renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tailrank.errors import ModelError
from tailrank.signals.protocol import Arrays

FORMAT: Final = "tailrank model 1"
MANIFEST: Final = "manifest.json"
ARRAYS: Final = "signals.safetensors"
ITEMS: Final = "items.parquet"
PACKAGES: Final = ("tailrank", "numpy", "polars", "safetensors", "scikit-learn", "scipy")


def write_model(folder: Path, items: pl.DataFrame, arrays: Arrays, description: Mapping[str, Any]) -> None:
    """Write a model folder; a reader sees the old one or the new one, never half of one.

    Parameters
    ----------
    folder
        Replaced where it already holds a model.
    items
        The catalogue.
    arrays
        Everything numeric.
    description
        The rest, as JSON.

    Raises
    ------
    ModelError
        Where the place holds something else than a model, or can't be written.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (folder.is_file() or any(folder.iterdir())):
        raise ModelError(f"{folder} exists and is not a model folder: choose another place")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ModelError(f"{folder}: can't be written ({error.strerror})") from None
    try:
        items.write_parquet(beside / ITEMS)
        save_file(dict(arrays), beside / ARRAYS)
        manifest = {
            "format": FORMAT,
            "packages": {name: version(name) for name in PACKAGES},
            "files": {name: _sha256((beside / name).read_bytes()) for name in (ITEMS, ARRAYS)},
            **description,
        }
        manifest["sha256"] = _sha256(_canonical(manifest))
        (beside / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        beside.chmod(0o755)
        _swap(beside, folder)
    except OSError as error:
        raise ModelError(f"{folder}: can't be written ({error.strerror})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_model(folder: Path) -> tuple[pl.DataFrame, Arrays, dict[str, Any]]:
    """Read back what `write_model` wrote, after checking every byte.

    Raises
    ------
    ModelError
        Where the folder is missing, damaged, edited, or of another format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise ModelError(
            f"{folder / MANIFEST}: can't be read ({error.strerror}): is this a model folder?"
        ) from None
    except ValueError:
        raise ModelError(f"{folder / MANIFEST}: damaged (not JSON): train the model again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"{folder}: not of the format {FORMAT!r}: train it again with this version")
    if manifest.pop("sha256", None) != _sha256(_canonical(manifest)):
        raise ModelError(f"{folder / MANIFEST}: edited or damaged: train the model again")
    for name, digest in manifest["files"].items():
        try:
            found = _sha256((folder / name).read_bytes())
        except OSError as error:
            raise ModelError(
                f"{folder / name}: can't be read ({error.strerror}): train the model again"
            ) from None
        if found != digest:
            raise ModelError(f"{folder / name}: truncated, edited or damaged: train the model again")
    try:
        return pl.read_parquet(folder / ITEMS), load_file(folder / ARRAYS), manifest
    except (OSError, SafetensorError, pl.exceptions.PolarsError) as error:
        raise ModelError(f"{folder}: can't be read ({error})") from None


def _swap(new: Path, folder: Path) -> None:
    """Put the new folder in the old one's place."""
    if not folder.exists():
        os.replace(new, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old)


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
