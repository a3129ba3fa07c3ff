"""How a fine-tuned encoder came about: a note in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tailrank.errors import EncoderError

LABEL: Final = "tuning.json"
"""File that tells a tuned encoder from others."""


def history(folder: Path) -> dict[str, Any] | None:
    """Read how a tuned encoder came about; None where it isn't one.

    Raises
    ------
    EncoderError
        Where the file is damaged.
    """
    label = folder / LABEL
    if not label.is_file():
        return None
    try:
        found = json.loads(label.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EncoderError(f"{label}: damaged: tune the encoder again")
    return found
