"""The record of a fine-tuning, in the folder of the tuned encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tailrank.errors import EncoderError

TUNING_FILE: Final = "tuning.json"
"""File that marks the folder of a tuned encoder."""


def tuning_record(folder: Path) -> dict[str, Any] | None:
    """Read the settings and results that a tuned encoder came from; None if the folder has none.

    Raises
    ------
    EncoderError
        If the file is damaged.
    """
    label = folder / TUNING_FILE
    if not label.is_file():
        return None
    try:
        found = json.loads(label.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EncoderError(f"{label}: damaged: tune the encoder again")
    return found
