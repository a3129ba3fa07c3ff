"""The state of an interrupted training, in one file without pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tailrank.errors import ModelError
from tailrank.files import written_file


def key(*parts: object) -> str:
    """Name a training by all that its outcome depends on: arrays by their bytes, the rest as written."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def write(file: Path, name: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a checkpoint; there is a whole one at any moment.

    Parameters
    ----------
    file
        Replaced.
    name
        `key` of the training.
    tensors, values
        What `read` gives back; values as JSON has them.

    Raises
    ------
    ModelError
        If the file can't be written.
    """
    try:
        with written_file(file) as new:
            save_file(dict(tensors), new, {"key": name, "values": json.dumps(values)})
    except (OSError, SafetensorError) as why:
        raise ModelError(f"{file}: the checkpoint can't be written ({why})") from None


def read(file: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read the tensors and values of the training of that name; None if there is no file.

    Raises
    ------
    ModelError
        If the file is damaged, or belongs to another training or to an earlier version of tailrank.
    """
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as opened:
            about = opened.metadata() or {}
            tensors = {part: opened.get_tensor(part) for part in opened.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        raise ModelError(f"{file}: the checkpoint is damaged: remove it to train from the start") from None
    if about.get("key") != name or "values" not in about:
        whose = "of another training, or of an earlier version"
        raise ModelError(f"{file}: the checkpoint {whose}: remove it, or give the same settings")
    return tensors, json.loads(about["values"])
