"""Where a training stands, in one file without pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.errors import ModelError
from tailrank.signals.sequence.recipe import Recipe


def key(
    dataset: Dataset,
    validation: Queries | None,
    repeats: bool,
    vectors: Floats | None,
    recipe: Recipe,
    rates: list[float] | None,
) -> str:
    """Name a training by everything that its outcome depends on."""
    digest = hashlib.sha256(f"{dataset.fingerprint} {repeats} {recipe} {rates}".encode())
    v = validation
    for array in (vectors, *(() if v is None else (v.starts, v.ends, v.seen, v.targets))):
        digest.update(b"-" if array is None else array.tobytes())
    return digest.hexdigest()


def write(file: Path, name: str, tensors: Mapping[str, Tensor], figures: Mapping[str, list[float]]) -> None:
    """Write beside, then rename, so that there is a whole checkpoint at any moment.

    Parameters
    ----------
    file
        Replaced.
    name
        `key` of the training.
    tensors, figures
        What `read` gives back.

    Raises
    ------
    ModelError
        Where the file can't be written.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), beside, {"key": name, "figures": json.dumps(figures)})
        beside.replace(file)
    except (OSError, SafetensorError) as why:
        raise ModelError(f"{file}: the checkpoint can't be written ({why})") from None
    finally:
        beside.unlink(missing_ok=True)


def read(file: Path, name: str) -> tuple[dict[str, Tensor], dict[str, list[float]]] | None:
    """Read the tensors and figures of the training of that name; None where there is no file.

    Raises
    ------
    ModelError
        Where the file is damaged or belongs to another training.
    """
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as opened:
            about = opened.metadata() or {}
            tensors = {part: opened.get_tensor(part) for part in opened.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        raise ModelError(f"{file}: the checkpoint is damaged: remove it to train from the start") from None
    if about.get("key") != name:
        raise ModelError(f"{file}: the checkpoint of another training: remove it, or give the same settings")
    return tensors, json.loads(about["figures"])
