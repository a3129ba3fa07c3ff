"""From a table of events to the latest ones of each user, as a state stores them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tailrank.arrays import Offsets
from tailrank.bounds import EARLIEST_TIMESTAMP
from tailrank.data.columns import Columns
from tailrank.data.dataset import CLOCKS, choose_clock, event_order, sort_events
from tailrank.data.histories import flat_offsets, ranges
from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.bulk import BulkHistories
from tailrank.state.checks import id_digest

EVENT_ID: Final = "event_id"
USERS_AT_ONCE: Final = 250
"""Users of one transaction: a server that shares the state stores other events between two."""

_ODD: Final = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_HALF: Final = np.uint64(32)


def latest_histories(events: pl.DataFrame) -> tuple[int, Iterator[BulkHistories]]:
    """Count the users, and give their latest `EVENTS_PER_USER` events, in the order of the users' ids.

    Parameters
    ----------
    events
        `user_id`, `item_id` and `event`, all text, `timestamp` or `position`, perhaps `elapsed_seconds`, and
        `event_id`, once for each user and item. Times are such as can be stored.
    """
    names = [events[name].unique().sort() for name in (Columns.USER, Columns.ITEM, Columns.EVENT)]
    coded = events.select(
        *(pl.col(ids.name).cast(pl.Enum(ids)).to_physical().cast(pl.Int32) for ids in names),
        *event_order(events.columns),
        *({EVENT_ID} & {*events.columns}),
    )
    users, item_ids, event_types = (ids.to_list() for ids in names)
    return len(users), _batches(sort_events(coded), users, item_ids, event_types)


def _batches(
    coded: pl.DataFrame, users: list[str], item_ids: list[str], event_types: list[str]
) -> Iterator[BulkHistories]:
    """Cut sorted events, whose ids are positions, into batches."""
    lengths = np.bincount(coded[Columns.USER].to_numpy(), minlength=len(users))
    ends, kept = np.cumsum(lengths), np.minimum(lengths, EVENTS_PER_USER)
    items, types = coded[Columns.ITEM].to_numpy(), coded[Columns.EVENT].to_numpy()
    for start in range(0, len(users), USERS_AT_ONCE):
        some = slice(start, start + USERS_AT_ONCE)
        at = ranges(ends[some] - kept[some], kept[some])
        offsets = flat_offsets(kept[some])
        times = _milliseconds(coded, at, np.repeat(ends[some] - lengths[some], kept[some]))
        yield BulkHistories(
            [name.encode() for name in users[some]],
            offsets,
            items[at],
            types[at],
            np.minimum(times, round(time.time() * 1000)),
            _digests(coded, at, times, offsets),
            item_ids,
            event_types,
            have_ids=EVENT_ID in coded.columns,
        )


def _milliseconds(coded: pl.DataFrame, at: Offsets, begins: Offsets) -> NDArray[np.int64]:
    """Return the times of rows; without timestamps, those of histories that began in 1990."""
    clock = choose_clock(coded.columns)
    if clock == "position":
        return 1000 * (EARLIEST_TIMESTAMP + at - begins)
    seconds = coded[CLOCKS[clock]].to_numpy()[at]
    return np.round(1000 * (seconds + (0 if clock == "timestamp" else EARLIEST_TIMESTAMP))).astype(np.int64)


def _digests(
    coded: pl.DataFrame, at: Offsets, times: NDArray[np.int64], offsets: Offsets
) -> NDArray[np.uint32]:
    """Hash the ids of rows; without ids, their time and which of the user's events at that time they are."""
    if EVENT_ID in coded.columns:
        return np.frombuffer(b"".join(map(id_digest, coded[EVENT_ID].gather(at))), "<u4")
    is_first = np.diff(times, prepend=times[0] - 1) != 0
    is_first[offsets[:-1]] = True
    row = np.arange(len(times))
    nth = row - np.maximum.accumulate(np.where(is_first, row, 0))
    mixed = times.astype(np.uint64) * _ODD[0] + nth.astype(np.uint64)
    mixed = (mixed ^ mixed >> _HALF) * _ODD[1]
    return (mixed ^ mixed >> _HALF).astype(np.uint32)
