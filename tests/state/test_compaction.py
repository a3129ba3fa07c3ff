"""Compaction of a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from state_helpers import event, fill, read_all, run

from tailrank.state.base import ItemChange, State, StateError
from tailrank.state.compaction import compact


def test_a_compacted_folder_holds_the_same_in_little_more_than_its_records(tmp_path: Path) -> None:
    fill(tmp_path)
    before = run(read_all, tmp_path)
    old, new = compact(tmp_path)
    assert run(read_all, tmp_path) == before
    assert new == (tmp_path / "data.mdb").stat().st_size < old
    assert new < 300 * (10 + 50 * 8) * 1.2 + 20 * 4096
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.mdb", "in-use", "lock.mdb"]


def test_a_compacted_folder_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, users=20, events=10)
    compact(tmp_path)

    async def body(state: State) -> Any:
        new = await state.append([event("u3", "fresh", 1e9 + 100), event("u3", "i3", 1e9 + 1, event_id="1")])
        version = await state.change_items([ItemChange("tea", None, {})])
        return new, version, (await state.read("u3")).history.items[-1]

    assert run(body, tmp_path) == (1, 4, "fresh")


def test_compaction_drops_expired_events_and_the_names_in_them(tmp_path: Path) -> None:
    async def before(state: State) -> None:
        await state.append([event("ann", "secret name", 1e9), event("bob", "secret name", 1e9)])
        await state.append([event("ann", "tea", time.time())])

    async def after(state: State) -> Any:
        return (await state.read("ann")).history.items, (await state.read("bob")).history.items

    run(before, tmp_path)
    compact(tmp_path, ttl=3600)
    assert run(after, tmp_path) == (["tea"], [])
    assert b"secret name" not in (tmp_path / "data.mdb").read_bytes()


def test_nothing_is_compacted_that_is_in_use_or_is_not_there(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        with pytest.raises(StateError, match="in use: stop its servers"):
            compact(tmp_path / "state")

    run(body, tmp_path / "state")
    with pytest.raises(StateError, match="no state is stored here"):
        compact(tmp_path / "other")
    assert not (tmp_path / "other").exists()
