"""Events of a table, loaded into a state at once: as if they had been sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from state_helpers import NOON, event, run
from test_record import by_time, some_rows, widths

from tailrank.data.histories import History, flat_offsets
from tailrank.errors import DataError
from tailrank.state.base import EVENTS_PER_USER, State, StoredEvent
from tailrank.state.bulk_records import encode_histories
from tailrank.state.loading import Loaded, load_events
from tailrank.state.record import Row, Widths, encode_rows

YEAR = 365 * 86_400.0


def table(users: int = 30, events: int = 70, n_types: int = 3) -> pl.DataFrame:
    """Events of years, in no order; some users have several at the same time."""
    rng = np.random.default_rng(0)
    n = users * events
    return pl.DataFrame(
        {
            "user_id": [f"ü{u}" for u in rng.integers(users, size=n)],
            "item_id": [f"i{i}" for i in rng.integers(40, size=n)],
            "timestamp": NOON - rng.integers(40, size=n) * YEAR / 5 + rng.integers(3, size=n) / 8,
            "event": [f"t{t}" for t in rng.integers(n_types, size=n)],
        }
    )


def load(location: Path | str, events: pl.DataFrame, ttl_days: float | None = None) -> Loaded:
    return asyncio.run(load_events(str(location), events, ttl_days))


def histories(location: Path | str, users: Sequence[str]) -> list[History]:
    async def body(state: State) -> Any:
        return [(await state.read(user)).history for user in users]

    found: list[History] = run(body, location)
    return found


@pytest.mark.parametrize("n_types", [3, 300])
def test_what_is_loaded_is_what_the_same_events_leave_that_are_sent(
    location: str, tmp_path: Path, n_types: int
) -> None:
    events = table(n_types=n_types)
    loaded = load(location, events)
    users = events["user_id"].unique().to_list()
    assert loaded == Loaded(30, loaded.events, loaded.events, {})

    sent = [
        StoredEvent(str(at), user, item, event_type, when)
        for at, (user, item, when, event_type) in enumerate(events.iter_rows())
    ]
    run(lambda state: state.append(sent), tmp_path / "other")
    assert histories(location, users) == histories(tmp_path / "other", users)


def test_loading_again_goes_on_where_it_broke_off(location: str) -> None:
    n = 5_000
    events = pl.DataFrame({"user_id": [f"u{u}" for u in range(n)], "item_id": ["tea"] * n})
    events = events.with_columns(timestamp=pl.lit(NOON))

    def break_off(task: str, done: int, total: int | None, note: str = "") -> None:
        raise KeyboardInterrupt(f"{done} of {total}")

    with pytest.raises(KeyboardInterrupt, match="2000 of 5000"):
        asyncio.run(load_events(location, events, progress=break_off))
    assert load(location, events) == Loaded(n, n, n - 2_000, {})
    assert load(location, events) == Loaded(n, n, 0, {})


def test_newer_events_stay_and_those_that_are_there_count_once(location: str) -> None:
    now = time.time()
    live = [
        event("ann", "tea", NOON + 0.7, "click"),  # as the table has it, but for the fraction
        event("ann", "jam", now, "buy"),
    ]
    run(lambda state: state.append(live), location)
    rows = [("ann", f"i{n}", NOON - 100 + n, "click") for n in range(EVENTS_PER_USER)]
    rows += [("ann", "tea", NOON, "click"), ("ann", "tea", NOON, "buy"), ("bob", "oat", NOON, "click")]
    events = pl.DataFrame(rows, ["user_id", "item_id", "timestamp", "event"], orient="row")
    assert load(location, events).new == EVENTS_PER_USER - 2 + 1
    ann, bob = histories(location, ["ann", "bob"])
    assert ann.items == [*(f"i{n}" for n in range(3, EVENTS_PER_USER)), "tea", "tea", "jam"]
    assert ann.events[-3:] == ["buy", "click", "buy"]
    assert bob.items == ["oat"]
    assert load(location, events).new == 0


def test_an_event_id_says_which_events_are_the_same(location: str) -> None:
    run(lambda state: state.append([event(item="tea", at=NOON + 3600, event_id="7")]), location)
    columns = {"item_id": ["tea", "tea", "tea"], "timestamp": [NOON, NOON + 1, NOON + 3600]}
    events = pl.DataFrame({"user_id": ["ann"] * 3, **columns, "event_id": [7, 8, 9]})
    assert load(location, events).new == 2
    assert load(location, events).new == 0
    [ann] = histories(location, ["ann"])
    assert ann.times == [NOON + 1, NOON + 3600, NOON + 3600]
    with pytest.raises(DataError, match=r"missing event_id.*row 2"):
        load(location, events.with_columns(event_id=pl.Series([7, None, 9])))


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        ({"position": [7, 3, 5]}, [0.0, 1.0, 2.0]),
        ({"position": [7, 3, 5], "elapsed_seconds": [90.5, 0.0, 7.0]}, [0.0, 7.0, 90.5]),
    ],
)
def test_events_without_times_keep_their_order_and_precede_all_others(
    location: str, columns: dict[str, list[float]], times: list[float]
) -> None:
    events = pl.DataFrame({"user_id": ["ann"] * 3, "item_id": ["c", "a", "b"], **columns})
    run(lambda state: state.append([event(item="now", at=NOON)]), location)
    assert load(location, events).new == 3
    assert load(location, events).new == 0
    [ann] = histories(location, ["ann"])
    assert ann.items == ["a", "b", "c", "now"]
    assert [at - 631_152_000 for at in ann.times[:3]] == times
    assert ann.events == ["event"] * 3 + ["click"]
    with pytest.raises(DataError, match="leave it out"):
        load(location, events, ttl_days=30)


def test_events_that_can_not_be_stored_are_counted(location: str) -> None:
    now = time.time()
    events = pl.DataFrame(
        {
            "user_id": ["ann", "ann", "ann", "ann", "bob"],
            "item_id": ["old", "odd", "new", "late", "old"],
            "timestamp": [now - 40 * 86_400, 3.0, now - 86_400, now + 2 * 86_400, now - 31 * 86_400],
        }
    )
    loaded = load(location, events, ttl_days=30)
    assert (loaded.users, loaded.new) == (1, 1)
    assert {reason.partition(":")[0]: n for reason, n in loaded.left_out.items()} == {
        "before 1990": 1,
        "older than 30 days": 2,
        "in the future": 1,
    }
    assert [history.items for history in histories(location, ["ann", "bob"])] == [["new"], []]


def test_an_id_that_a_state_does_not_take_is_named_by_its_row(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["ann", "é" * 201], "item_id": ["a", "b"], "timestamp": [NOON, NOON]})
    with pytest.raises(DataError, match=r"user_id too long \(1\): row 2 .*400 bytes"):
        load(tmp_path / "state", events)
    assert not (tmp_path / "state").exists()


@given(st.lists(some_rows.map(by_time), min_size=1, max_size=5), widths)
def test_many_records_at_once_are_those_that_each_alone_gives(users: list[list[Row]], least: Widths) -> None:
    columns = (np.array(column) for column in zip(*chain.from_iterable(users), strict=True))
    offsets = flat_offsets(np.array(list(map(len, users))))
    times, items, types, digests = columns
    found = encode_histories(times, items, types, digests.astype(np.uint32), offsets, least)
    assert list(found) == [encode_rows(rows, least) for rows in users]
