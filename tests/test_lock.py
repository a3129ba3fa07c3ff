"""`requirements.lock` holds the versions of `constraints.txt`, all that is needed, and names no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
GROUPS = ("test", "docs", "lint", "release")
REMEDY = "make lock"


def pins(text: str) -> dict[str, Requirement]:
    """Read lines such as `name==1.0 ; marker`, by name."""
    lines = re.findall(r"^([\w.-]+==[^\\\n]+)", text, re.M)
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


LOCKED, PINNED = pins(LOCK), pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def test_versions_are_those_that_are_pinned() -> None:
    both = LOCKED.keys() & PINNED.keys()
    assert {n: str(LOCKED[n].specifier) for n in both} == {n: str(PINNED[n].specifier) for n in both}, REMEDY
    # What isn't pinned doesn't come where the versions were pinned, as it is for another system, or a GPU.
    assert [name for name in LOCKED.keys() - PINNED.keys() if LOCKED[name].marker is None] == [], REMEDY


def test_all_that_is_needed_is_locked_with_hashes() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, groups = told["project"], told["dependency-groups"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
        *(each for name in GROUPS for each in groups[name]),
    ]
    asked = [each for each in map(Requirement, wanted) if each.name != "tailrank"]
    missing = [str(each) for each in asked if canonicalize_name(each.name) not in LOCKED]
    assert missing == [], REMEDY
    outside = [
        str(each)
        for each in asked
        if not each.specifier.contains(str(LOCKED[canonicalize_name(each.name)].specifier)[2:], True)
    ]
    assert outside == [], REMEDY
    assert len(re.findall(r"^\S+==.*\\\n    --hash=sha256:[0-9a-f]{64}", LOCK, re.M)) == len(LOCKED)


def test_no_index_is_named() -> None:
    assert "://" not in LOCK
