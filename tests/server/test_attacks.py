"""Attacks in short, and what they count; `python -m bench resilience attacks` takes longer and times them."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.resilience import attacks


@pytest.mark.parametrize("name", ["heads", "unread", "malformed"])
def test_an_attack_hurts_nobody_else(model: Path, tmp_path: Path, name: str) -> None:
    found = attacks.RUNS[name](model, tmp_path, 1.0)
    assert set(found["rankings"]) == {"200"}
    assert found.get("meanwhile", 200) == 200
    assert set(found.get("statuses", {})) <= {"200", "400", "422", "431", "closed"}
    assert found.get("faults", []) == []
    assert found["grown_mb"] < 2 * attacks.MOST_MB
