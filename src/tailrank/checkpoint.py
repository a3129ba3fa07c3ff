"""Where a training stands, in one file without pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tailrank.errors import ModelError


def key(*parts: object) -> str:
    """Name a training by all that its outcome depends on: arrays by their bytes, the rest as written."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def write(file: Path, name: str, tensors: Mapping[str, Tensor], figures: Mapping[str, Any]) -> None:
    """Write beside, then rename, so that there is a whole checkpoint at any moment.

    Parameters
    ----------
    file
        Replaced.
    name
        `key` of the training.
    tensors, figures
        What `read` gives back; figures as JSON has them.

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


def read(file: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
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
