"""What was shown today, counted from the log as it grows, and told to all that share the state."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from tailrank.feedback.recent_clicks import Settled
from tailrank.feedback.records import ShownRecord
from tailrank.feedback.shown_today import DAY, SHOWN_NOTES, ShownNote, ShownToday
from tailrank.feedback.watcher import SHOWN_EVERY, Watcher
from tailrank.state.embedded import EmbeddedState

MIDNIGHT = 20_000.0 * DAY


def shown(name: str, at: float, *items: str) -> ShownRecord:
    return ShownRecord(name, "ada", at, "m@1", items, range(1, len(items) + 1), None, b"", (), b"", 0, None)


def settled(at: float, clicked: list[bool], buckets: list[int] | None = None) -> Settled:
    codes = None if buckets is None else np.array(buckets, np.int32)
    return Settled(at, np.array(clicked), codes)


def test_distinct_items_of_the_first_ten_count_and_midnight_begins_anew() -> None:
    today = ShownToday()
    today.add(shown("r1", MIDNIGHT - 2, "a", "b"))
    today.add(shown("r2", MIDNIGHT - 1, *(f"i{n}" for n in range(12))))
    assert (today.note("log").lists, today.note("log").items) == (2, 12)
    today.add(shown("r3", MIDNIGHT + 5, "a"))
    today.add(shown("r4", MIDNIGHT + 3, "a", "b"))
    today.add(shown("r5", MIDNIGHT - 1, "late"))
    note = today.note("log")
    assert (note.since, note.lists, note.items) == (MIDNIGHT + 3, 2, 2)
    assert note.exposures == [(1, 1), (2, 1)]


def test_the_first_ten_count_by_decile_if_these_are_known() -> None:
    today = ShownToday()
    today.add(shown("r1", MIDNIGHT, "a", "b"))
    assert sum(today.note("log").deciles) == 0
    today.add(replace(shown("r2", MIDNIGHT, "a", "b", "c"), deciles=bytes([0, 9, 9])))
    today.add(replace(shown("r3", MIDNIGHT, *"abcdefghijkl"), deciles=bytes([1] * 12)))
    assert today.note("log").deciles == [1, 10, 0, 0, 0, 0, 0, 0, 0, 2]
    today.add(shown("r4", MIDNIGHT + DAY, "a"))
    assert sum(today.note("log").deciles) == 0


def test_clicks_count_by_bucket_and_rank() -> None:
    today = ShownToday()
    today.settle(settled(MIDNIGHT, [True, False], [0, 3]))
    today.settle(settled(MIDNIGHT + 1, [False, True], [0, 0]))
    today.settle(settled(MIDNIGHT + 2, [True]))
    today.settle(settled(MIDNIGHT - 1, [True], [0]))
    note = today.note("log")
    assert note.settled == 3
    assert note.clicks == [("0", 1, 2, 1), ("0", 2, 1, 1), (">20", 2, 1, 0), ("unknown", 1, 1, 1)]
    assert ShownNote.decoded(note.encoded()) == note
    assert ShownNote.decoded(b"of another version") is None


def test_who_watches_a_log_notes_it_in_the_state_and_seldom(tmp_path: Path) -> None:
    asyncio.run(watch(tmp_path))


async def watch(folder: Path) -> None:
    state, now = EmbeddedState(folder / "state"), time.time()

    async def told() -> int | None:
        notes = await state.notes(SHOWN_NOTES)
        note = ShownNote.decoded(notes["log"]) if notes else None
        return None if note is None else note.items

    watcher = await Watcher.start(folder / "log", "log", state, [])
    watcher.watch.take(shown("r1", now, "a", "b"))
    await watcher.go_on(now)
    assert await told() == 2
    watcher.watch.take(shown("r2", now, "c"))
    await watcher.go_on(now + 0.9 * SHOWN_EVERY)
    assert await told() == 2
    await watcher.go_on(now + SHOWN_EVERY)
    assert await told() == 3
    await state.close()
