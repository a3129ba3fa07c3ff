"""A tracker: a line of JSON a step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tailrank.tuning.tracking import Setting


class Lines:
    """Appends to a file."""

    def __init__(self, place: str) -> None:
        self.file = Path(place)

    def start(self, settings: Mapping[str, Setting]) -> None:
        """Write the settings."""
        self._write({"settings": dict(settings)})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write metrics."""
        self._write({"step": step, **metrics})

    def finish(self, succeeded: bool) -> None:
        """Write how it ended."""
        self._write({"succeeded": succeeded})

    def _write(self, line: Mapping[str, object]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
