"""Locations that make no sense are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrank.state.base import StateError
from tailrank.state.open import open_state


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("", "no location"),
        ("mysql://localhost/x", "mysql"),
        ("redis://127.0.0.1:port/0", "address"),
        ("redis://127.0.0.1/zero", "address"),
        ("redis:///0", "address"),
        ("/dev/null/state", "can't be used"),
    ],
)
def test_a_location_that_makes_no_sense_is_refused(location: str, why: str) -> None:
    with pytest.raises(StateError, match=why):
        open_state(location)


def test_days_to_keep_are_positive(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="more than 0"):
        open_state(str(tmp_path), ttl_days=0)
