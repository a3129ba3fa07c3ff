"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(done: Callable[[], bool], seconds: float, why: str = "nothing happened") -> None:
    """Ask again and again until the answer is yes; ends the program if that lasts too long."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"{why} within {seconds:g} s")
        time.sleep(0.01)
