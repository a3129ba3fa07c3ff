"""What every state remembers of what users were shown."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from state_helpers import event, fill, run

from tailrank.bounds import LISTS_SHOWN, SHOWN_HOURS
from tailrank.state.base import ShownList, State, StateError
from tailrank.state.compaction import compact
from tailrank.state.shown_lists import encode_shown, times_shown

NOW = float(round(time.time()))
WEEK = 3_600 * SHOWN_HOURS


def test_items_are_told_with_the_times_at_which_they_were_shown(location: str) -> None:
    async def body(state: State) -> Any:
        await state.add_shown([ShownList("ann", ["tea", "jam"], NOW - 60.5), ShownList("bob", ["oat"], NOW)])
        await state.add_shown([ShownList("ann", ["茶", "tea"], NOW)])
        return await state.shown("ann"), await state.shown("bob"), await state.shown("nobody")

    assert run(body, location) == (
        {"tea": [NOW - 60.5, NOW], "jam": [NOW - 60.5], "茶": [NOW]},
        {"oat": [NOW]},
        {},
    )


def test_the_latest_lists_stay_for_a_week(location: str) -> None:
    async def body(state: State) -> Any:
        await state.add_shown([ShownList("ann", [f"i{n}"], NOW - 100 + n) for n in range(LISTS_SHOWN + 5)])
        await state.add_shown([ShownList("bob", ["old"], NOW - WEEK - 60), ShownList("bob", ["new"], NOW)])
        return await state.shown("ann"), await state.shown("bob")

    ann, bob = run(body, location)
    assert list(ann) == [f"i{n}" for n in range(5, LISTS_SHOWN + 5)]
    assert bob == {"new": [NOW]}


def test_they_stay_no_longer_than_events(location: str) -> None:
    async def body(state: State) -> Any:
        await state.add_shown([ShownList("ann", ["tea"], NOW - 7_200), ShownList("ann", ["jam"], NOW)])
        return await state.shown("ann")

    assert run(body, location, 1 / 24) == {"jam": [NOW]}


@pytest.mark.parametrize("with_events", [True, False])
def test_erasing_a_user_erases_them(location: str, with_events: bool) -> None:
    async def body(state: State) -> Any:
        await state.add_shown([ShownList("ann", ["tea"], NOW), ShownList("bob", ["tea"], NOW)])
        if with_events:
            await state.append([event("ann")])
        erased = await state.erase("ann"), await state.erase("ann")
        return (
            erased,
            await state.shown("ann"),
            (await state.read("ann")).history.items,
            await state.shown("bob"),
        )

    assert run(body, location) == ((True, False), {}, [], {"tea": [NOW]})


def test_lists_that_are_added_at_once_all_count(location: str) -> None:
    async def body(state: State) -> Any:
        await asyncio.gather(*(state.add_shown([ShownList("ann", ["tea"], NOW + n)]) for n in range(20)))
        return sorted((await state.shown("ann"))["tea"])

    assert run(body, location) == [NOW + n for n in range(20)]


def test_a_list_that_is_stored_twice_counts_once() -> None:
    encoded = [encode_shown(ShownList("ann", ["tea"], NOW))] * 2
    assert times_shown([*encoded, b"\xff", msgspec.msgpack.encode(["x"])], WEEK) == {"tea": [NOW]}


def test_a_user_without_a_possible_id_is_refused(location: str) -> None:
    with pytest.raises(StateError, match="user_id"):
        run(lambda state: state.add_shown([ShownList("", ["tea"], NOW)]), location)


def test_a_folder_drops_what_expired_and_compaction_keeps_the_rest(tmp_path: Path) -> None:
    fill(tmp_path, users=2)

    async def body(state: State) -> None:
        for n in range(50):
            await state.add_shown([ShownList(f"old{n:02}", ["tea"], NOW - WEEK - 60)])
        await state.add_shown([ShownList(f"new{n:02}", ["tea"], NOW) for n in range(50)])

    run(body, tmp_path)
    compact(tmp_path)

    async def left(state: State) -> Any:
        table = state._env.tables[b"shown"]  # type: ignore[attr-defined]
        stored = state._env.read(lambda txn: txn.stat(table)["entries"])  # type: ignore[attr-defined]
        return stored, [await state.shown(f"new{n:02}") for n in range(50)]

    assert run(left, tmp_path) == (50, [{"tea": [NOW]}] * 50)
