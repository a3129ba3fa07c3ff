"""The folder: its size, its growth, and its limits."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from state_helpers import NOON, answer, event, python, run

from tailrank.state import intern_table
from tailrank.state.base import InvalidEventsError, ItemChange, State
from tailrank.state.compaction import compact

MEGABYTE = 1 << 20


GROW = """
    async def main(folder):
        state = open_state(folder)
        print("open", flush=True)
        for line in sys.stdin:
            if line.startswith("grow"):
                for n in range(12):
                    many = [ItemChange(f"{line} {n} {m}", None, {"m": bytes(1 << 20)}) for m in range(8)]
                    await state.change_items(many)
            else:
                await state.append([StoredEvent(line, "ann", line.strip(), "click", 1e9)])
            print(len((await state.read("ann")).history.items), flush=True)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_the_map_grows_in_all_processes(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        other = python(GROW, str(tmp_path))
        assert answer(other) == "open\n"
        await state.append([event("ann", "tea", 1e9)])
        assert answer(other, "grow") == "1\n"  # beyond what this process has mapped
        assert (await state.read("ann")).history.items == ["tea"]
        assert answer(other, "jam") == "2\n"
        many = [ItemChange(f"ours {m}", None, {"m": bytes(MEGABYTE)}) for m in range(160)]
        await state.change_items(many)  # beyond what the other has mapped
        assert answer(other, "egg") == "3\n"
        assert (await state.read("ann")).history.items == ["tea", "jam", "egg"]
        other.communicate()
        assert other.returncode == 0
        version, changes = await state.item_changes(0)
        assert version == len(changes) == 96 + 160

    run(body, tmp_path)
    assert (tmp_path / "data.mdb").stat().st_size > 256 * MEGABYTE


FULL = """
    async def main(folder):
        state = open_state(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        stored = 0
        try:
            while True:
                users = [f"u{stored}-{n}" for n in range(100)]
                await state.append([StoredEvent("1", user, "tea", "click", 1e9) for user in users])
                stored += 1
        except StateError as error:
            print(error)
        print(stored, len((await state.read("u0-0")).history.items))
        try:
            await state.append([StoredEvent("1", "ann", f"{n:0200}", "click", 1e9) for n in range(9999)])
        except StateError as error:
            print(error)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    first, counts, second, _ = python(FULL, str(tmp_path)).communicate()[0].split("\n")
    for told in (first, second):
        assert re.search("the disk is full.*: free some space", told)
    stored, read = map(int, counts.split())
    assert stored > 10
    assert read == 1

    async def body(state: State) -> None:
        lengths = [len((await state.read(f"u{k}-99")).history.items) for k in range(stored + 1)]
        assert lengths == [1] * stored + [0]
        assert (await state.read("ann")).history.items == []
        assert await state.append([event("ann", "tea")]) == 1

    run(body, tmp_path)
    compact(tmp_path)


def test_hundreds_of_event_types_are_stored_and_compacted(tmp_path: Path) -> None:
    async def body(state: State) -> Any:
        for n in range(0, 400, 50):
            some = range(n, n + 50)
            await state.append([event(f"u{n}", f"i{n}", NOON, event_type=f"k{n}") for n in some])
        for n in range(230, 290):
            assert await state.append([event("ann", "tea", NOON + n, event_type=f"k{n}")]) == 1
        return await both(state)

    async def both(state: State) -> Any:
        others = [(await state.read(f"u{n}")).history for n in range(400)]
        return (await state.read("ann")).history.events, [(each.items, each.events) for each in others]

    found = run(body, tmp_path)
    assert found == ([f"k{n}" for n in range(240, 290)], [([f"i{n}"], [f"k{n}"]) for n in range(400)])
    compact(tmp_path)
    assert run(both, tmp_path) == found


def test_event_types_are_limited_and_compaction_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intern_table, "MAX_TYPES", 300)  # or it would take a minute

    async def body(state: State) -> None:
        many = [event("ann", "tea", NOON, event_type=f"k{n}") for n in range(300)]
        assert await state.append(many) == 50
        known, new = event("bob", "tea", event_type="k7"), event("ann", "secret", event_type="k300")
        with pytest.raises(InvalidEventsError, match=r"event 1: event type: .*compact") as raised:
            await state.append([known, new, event("cay", "tea", event_type="k301")])
        assert set(raised.value.faults) == {1, 2}
        assert not {"k300", "secret"} & set(str(raised.value).split())
        assert (await state.read("bob")).history.items == []
        assert await asyncio.gather(
            state.append([known]), *(state.append([new]) for _ in range(3)), return_exceptions=True
        ) == [1, *[ANY] * 3]

    async def after(state: State) -> Any:
        new = await state.append([event("ann", "tea", NOON + 300, event_type="k300")])
        return new, (await state.read("ann")).history.events

    run(body, tmp_path)
    compact(tmp_path)
    assert run(after, tmp_path) == (1, [f"k{n}" for n in range(251, 301)])


def test_fifty_events_need_little_room(tmp_path: Path) -> None:
    async def body(state: State) -> None:
        for start in range(0, 2000, 20):
            users = range(start, start + 20)
            await state.append([event(f"user-{u}", f"item-{n}", 1e9 + n) for u in users for n in range(50)])

    run(body, tmp_path)
    compact(tmp_path)
    assert (tmp_path / "data.mdb").stat().st_size / 2000 < 720
