"""`Backoff`: when to try again what failed."""

from __future__ import annotations

import time
from typing import Final

LONGEST: Final = 60.0
"""Seconds between two attempts, at most."""


class Backoff:
    """Pauses between attempts, each twice as long as the one before, up to `LONGEST`.

    Parameters
    ----------
    first
        Seconds of the first pause.
    """

    def __init__(self, first: float) -> None:
        self._pause, self._end = first, 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is time for the next attempt."""
        return time.monotonic() >= self._end

    def start(self) -> None:
        """Pause."""
        self._end = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST)
