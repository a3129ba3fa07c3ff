"""Loads the events of a data folder into a state, so that a server knows its users from the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import polars as pl

from tailrank.bounds import EARLIEST_TIMESTAMP, MAX_ID_BYTES, latest_plausible_time
from tailrank.data.columns import Columns
from tailrank.data.dataset import choose_clock
from tailrank.data.schema import Check, raise_failures
from tailrank.data.values import to_ids
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent
from tailrank.state.latest_histories import EVENT_ID, latest_histories
from tailrank.state.open import SECONDS_PER_DAY, open_state

AT_ONCE: Final = 8
"""Batches under way: a server that syncs every write to its disk then syncs several at a time."""

UNTYPED_NAME: Final = "event"
"""What an event without a type is stored as."""


class Loaded(NamedTuple):
    """What was loaded.

    Attributes
    ----------
    users
        How many users there are with events that could be stored.
    events
        How many these are, each user's latest `EVENTS_PER_USER`.
    new
        How many of them are stored now and were not before.
    left_out
        How many events can't be stored, by the reason.
    """

    users: int
    events: int
    new: int
    left_out: dict[str, int]


async def load_events(
    location: str, events: pl.DataFrame, ttl_days: float | None = None, progress: Progress = silent
) -> Loaded:
    """Store each user's latest events; those that are stored already count once.

    Events without timestamps count as older than any that have one: they are stored as if they had begun in
    1990, a second apart, or as far apart as `elapsed_seconds` says. Events of one user, item, type and second
    are the same as a stored one, unless the column `event_id` tells them apart.

    Parameters
    ----------
    location, ttl_days
        As in `open_state`.
    events
        As `read_events` returns them.
    progress
        Is told how many users are done.

    Raises
    ------
    StateError
        If the state can't be used. What was stored stays, and the same call again goes on.
    DataError
        If an id is too long or an `event_id` missing, or events without timestamps are to expire.
    """
    kept, left_out = _storable(events, ttl_days)
    state = open_state(location, ttl_days)
    users = n_events = new = 0
    try:
        total, bulks = latest_histories(kept)
        while some := list(islice(bulks, AT_ONCE)):
            new += sum(await asyncio.gather(*map(state.load, some)))
            users += sum(len(bulk.user_keys) for bulk in some)
            n_events += sum(len(bulk.items) for bulk in some)
            progress("loading histories", users, total)
    finally:
        await state.close()
    return Loaded(users, n_events, new, left_out)


def _storable(events: pl.DataFrame, ttl_days: float | None) -> tuple[pl.DataFrame, dict[str, int]]:
    """Keep the events that a state takes, and count the others by the reason."""
    event_type = pl.col(Columns.EVENT).replace("", None) if Columns.EVENT in events.columns else pl.lit(None)
    events = events.with_columns(event_type.fill_null(UNTYPED_NAME).cast(pl.String).alias(Columns.EVENT))
    raise_failures(_id_checks(events), "events")
    if EVENT_ID in events.columns:
        events = _with_ids(events)
    if choose_clock(events.columns) == "timestamp":
        return _timely(events, ttl_days)
    if ttl_days is not None:
        why = "the events have an order and no times, so nothing says which have expired"
        raise DataError(f"--ttl-days {ttl_days:g}: {why}: leave it out, or give each event a timestamp")
    return events, {}


def _timely(events: pl.DataFrame, ttl_days: float | None) -> tuple[pl.DataFrame, dict[str, int]]:
    """Leave out events that have expired or can't have happened, and count them by the reason."""
    oldest = 0.0 if ttl_days is None else time.time() - ttl_days * SECONDS_PER_DAY
    when, late = pl.col(Columns.TIMESTAMP), latest_plausible_time()
    reasons = {
        f"before 1990: if their times are only an order, call the column {Columns.POSITION}": (
            when < EARLIEST_TIMESTAMP
        ),
        f"older than {ttl_days or 0:g} days: leave out --ttl-days to keep them": (
            when.is_between(EARLIEST_TIMESTAMP, oldest, closed="left")
        ),
        "in the future: check the clock, and that their times are seconds since 1970": when > late,
    }
    counts = events.select(**{why: bad.sum() for why, bad in reasons.items()}).row(0, named=True)
    if any(counts.values()):
        events = events.filter(~pl.any_horizontal(*reasons.values()))
    return events, {why: n for why, n in counts.items() if n}


def _id_checks(events: pl.DataFrame) -> Iterator[Check]:
    for name in (Columns.USER, Columns.ITEM, Columns.EVENT):
        ids, remedy = events[name], f"A state takes at most {MAX_ID_BYTES} bytes: shorten them."
        yield Check.from_mask(f"{name} too long", ids.str.len_bytes() > MAX_ID_BYTES, ids, remedy)


def _with_ids(events: pl.DataFrame) -> pl.DataFrame:
    """Read the events' ids, and keep the first event of each id, user and item."""
    given = events[EVENT_ID]
    ids = to_ids(given)
    if ids is None:
        raise DataError(f"events: {EVENT_ID} is {given.dtype} instead of text or whole numbers")
    remedy = "Give each event its id, or leave the column out."
    raise_failures([Check.from_mask(f"missing {EVENT_ID}", ids.is_null(), given, remedy)], "events")
    own = [Columns.USER, Columns.ITEM, EVENT_ID]
    return events.with_columns(ids.alias(EVENT_ID)).unique(own, keep="first", maintain_order=True)
