"""A state: kept where the system keeps what may be lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tailrank.state.base import State
from tailrank.state.embedded import EmbeddedState


def temporary_state(location: str, ttl: float | None) -> State:
    """Open `temporary://NAME`."""
    return EmbeddedState(Path(tempfile.gettempdir()) / location.partition("://")[2], ttl)
