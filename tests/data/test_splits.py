"""Splits: nothing of the future reaches training or a history."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.data.splits import (
    Split,
    _new_to_user,
    hold_out,
    leave_one_out,
    shuffle_ties,
    step_back,
    temporal,
)
from tailrank.errors import DataError

N_ITEMS = 6


@st.composite
def datasets(draw: st.DrawFn, clock: str = "timestamp") -> Dataset:
    """Few items and few distinct times, so that repeats and ties are common."""
    n = draw(st.integers(12, 40))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=n, max_size=n))

    items = pl.DataFrame({"item_id": [str(code) for code in range(N_ITEMS)]})
    users, chosen = column(st.integers(0, 3)), column(st.integers(0, N_ITEMS - 1))
    events = pl.DataFrame({"user_id": users, "item_id": chosen, clock: column(st.integers(0, 15))})
    return Dataset.construct(items, events)


def try_temporal(data: Dataset, **options: Any) -> Split:
    """Split by time, and skip examples with too few distinct times."""
    try:
        return temporal(data, **options)
    except DataError:
        assume(False)
        raise


def flat(data: Dataset) -> list[list[tuple[int, float]]]:
    """(item, time) of each user, oldest first."""
    h = data.histories
    pairs = list(zip(h.items.tolist(), h.times.tolist(), strict=True))
    return [pairs[a:b] for a, b in zip(h.offsets[:-1], h.offsets[1:], strict=True)]


def slices(queries: Queries) -> list[tuple[int, list[tuple[int, float]], list[tuple[int, float]], int]]:
    """User, visible history, full history and target of each query."""
    pairs = list(zip(queries.source.items.tolist(), queries.source.times.tolist(), strict=True))
    rows = zip(queries.users, queries.starts, queries.ends, queries.full_ends, queries.targets, strict=True)
    return [(int(user), pairs[a:b], pairs[a:c], int(target)) for user, a, b, c, target in rows]


@given(data=datasets(), repeats=st.booleans())
@settings(max_examples=150)
def test_leave_one_out_holds_out_the_last_two_events(data: Dataset, repeats: bool) -> None:
    users = flat(data)
    assume(any(len(events) >= 3 for events in users))
    split = leave_one_out(data, repeats=repeats)

    def expected(n: int) -> list[tuple[int, list[tuple[int, float]], list[tuple[int, float]], int]]:
        return [
            (user, events[: -n - 1], events[: -n - 1], events[-n - 1][0])
            for user, events in enumerate(users)
            if len(events) >= 3
            and (repeats or events[-n - 1][0] not in {item for item, _ in events[: -n - 1]})
        ]

    assert slices(split.test) == expected(0)
    assert slices(split.validation) == expected(1)
    assert flat(split.train) == [events[:-2] if len(events) >= 3 else events for events in users]
    assert split.full_train is split.train


@given(data=datasets())
@settings(max_examples=50)
def test_hold_out_validates_on_last_events_and_tests_nothing(data: Dataset) -> None:
    split = hold_out(data)
    users = [(user, events) for user, events in enumerate(flat(data)) if len(events) >= 2]
    assert slices(split.validation) == [
        (user, events[:-1], events[:-1], events[-1][0]) for user, events in users
    ]
    assert flat(split.train) == [events[:-1] if len(events) >= 2 else events for events in flat(data)]
    assert split.full_train is data
    assert len(split.test) == 0


@given(data=datasets(), repeats=st.booleans())
@settings(max_examples=50)
def test_a_step_back_validates_on_the_last_events_of_training(data: Dataset, repeats: bool) -> None:
    assume(any(len(events) >= 3 for events in flat(data)))
    split = leave_one_out(data, repeats=repeats)
    past, users = step_back(split), list(enumerate(flat(split.train)))
    assert slices(past.validation) == [
        (user, events[:-1], events[:-1], events[-1][0])
        for user, events in users
        if len(events) >= 2 and (repeats or events[-1][0] not in {item for item, _ in events[:-1]})
    ]
    assert flat(past.train) == [events[:-1] if len(events) >= 2 else events for _, events in users]
    assert len(past.test) == 0
    assert past.least_count == split.least_count


@given(data=datasets(), n_items=st.sampled_from([6, 1_000_000, 10_000_000]))
@settings(max_examples=30)
def test_batches_partition_the_queries_in_order(data: Dataset, n_items: int) -> None:
    test = try_temporal(data, repeats=True).test
    assert [query for batch in test.batches(n_items) for query in slices(batch)] == slices(test)


@given(data=datasets(), per_user=st.integers(1, 3), repeats=st.booleans())
@settings(max_examples=150)
def test_temporal_asks_for_every_later_event_given_what_was_strictly_earlier(
    data: Dataset, per_user: int, repeats: bool
) -> None:
    split = try_temporal(data, per_user=per_user, repeats=repeats)
    times = data.histories.times
    first, moment = np.quantile(times, [0.8, 0.9])

    def expected(start: float, end: float) -> list[tuple[int, list[tuple[int, float]], int]]:
        rows = []
        for user, events in enumerate(flat(data)):
            fresh = [
                (at, item, time)
                for at, (item, time) in enumerate(events)
                if start <= time < end and (repeats or item not in {i for i, _ in events[:at]})
            ]
            for _, item, time in fresh[:per_user]:
                rows.append((user, [event for event in events if event[1] < time], item))
        return rows

    for queries, start, end in ((split.validation, first, moment), (split.test, moment, np.inf)):
        assert [(user, seen, target) for user, _, seen, target in slices(queries)] == expected(start, end)
        assert all(visible == seen for _, visible, seen, _ in slices(queries))
    for learned, end in ((split.train, first), (split.full_train, moment)):
        assert flat(learned) == [[event for event in events if event[1] < end] for events in flat(data)]


@given(data=datasets(), delays=st.tuples(st.integers(0, 9), st.integers(0, 9)))
@settings(max_examples=100)
def test_a_later_history_is_never_longer(data: Dataset, delays: tuple[int, int]) -> None:
    short, long = sorted(delays)
    fresh, stale, frozen = (try_temporal(data, staleness=delay).test for delay in (short, long, None))
    for other in (stale, frozen):
        assert fresh.targets.tolist() == other.targets.tolist()
        assert fresh.full_ends.tolist() == other.full_ends.tolist()
    assert (stale.ends <= fresh.ends).all()
    assert (fresh.ends <= fresh.full_ends).all()
    assert (fresh.starts <= frozen.ends).all()
    split_time = np.quantile(data.histories.times, 0.9)
    assert all(time < split_time for _, visible, _, _ in slices(frozen) for _, time in visible)


@given(data=datasets())
@settings(max_examples=50)
def test_queries_are_sorted_by_user_and_time(data: Dataset) -> None:
    split = try_temporal(data, repeats=True)
    for queries in (split.validation, split.test):
        assert (np.diff(queries.users) >= 0).all()
        assert (np.diff(queries.full_ends)[np.diff(queries.users) == 0] >= 0).all()


@given(data=datasets())
@settings(max_examples=100)
def test_new_to_user_agrees_with_a_loop(data: Dataset) -> None:
    known: set[tuple[int, int]] = set()
    expected = []
    for pair in zip(data.histories.owners.tolist(), data.histories.items.tolist(), strict=True):
        expected.append(pair not in known)
        known.add(pair)
    assert _new_to_user(data.histories, data.n_items).tolist() == expected


@given(data=datasets(), seed=st.integers(0, 5))
@settings(max_examples=50)
def test_shuffling_moves_tied_events_only(data: Dataset, seed: int) -> None:
    shuffled = shuffle_ties(data, seed)
    assert shuffled.histories.times.tolist() == data.histories.times.tolist()
    for before, after in zip(flat(data), flat(shuffled), strict=True):
        assert sorted(before) == sorted(after)
    assert shuffle_ties(data, seed).histories.items.tolist() == shuffled.histories.items.tolist()


def tied() -> Dataset:
    """One user, eight events on one day."""
    items = pl.DataFrame({"item_id": list("abcdefgh")})
    return Dataset.construct(items, items.with_columns(user_id=pl.lit("u"), timestamp=pl.lit(5)))


def test_shuffling_changes_the_order_and_the_seed_decides() -> None:
    orders = {tuple(shuffle_ties(tied(), seed).histories.items.tolist()) for seed in range(5)}
    assert len(orders) == 5
    assert "shuffled with seed 3" in leave_one_out(tied(), ties="shuffled", seed=3).protocol


@pytest.mark.parametrize(
    ("clock", "split", "words"),
    [
        ("position", temporal, "needs a `timestamp` column"),
        ("position", lambda data: shuffle_ties(data, 0), "only positions"),
        ("position", lambda data: leave_one_out(data, ties="shuffled"), "only positions"),
        ("timestamp", leave_one_out, "at least 3 events"),
        ("timestamp", temporal, "too few distinct timestamps"),
    ],
)
def test_impossible_splits_are_refused(clock: str, split: Any, words: str) -> None:
    items = pl.DataFrame({"item_id": ["a", "b"]})
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], clock: [1, 1]})
    with pytest.raises(DataError, match=words):
        split(Dataset.construct(items, events, "toy"))


@given(data=datasets(), n=st.integers(1, 4))
@settings(max_examples=50)
def test_views_of_histories_agree_with_lists(data: Dataset, n: int) -> None:
    h = data.histories
    users = flat(data)
    assert h.lengths.tolist() == [len(events) for events in users]
    assert h.owners.tolist() == [user for user, events in enumerate(users) for _ in events]
    assert h.ages.tolist() == [age for events in users for age in range(len(events) - 1, -1, -1)]
    assert h.gaps.tolist() == [events[-1][1] - time for events in users for _, time in events]
    latest: Histories = h.latest(n)
    assert latest.items.tolist() == [item for events in users for item, _ in events[-n:]]


@given(data=datasets(), n=st.integers(0, 30), seed=st.integers(0, 3))
@settings(max_examples=50)
def test_queries_can_be_sampled_and_know_repeats(data: Dataset, n: int, seed: int) -> None:
    test = try_temporal(data, repeats=True).test
    assert test.repeated.tolist() == [
        target in {item for item, _ in seen} for _, _, seen, target in slices(test)
    ]
    drawn = slices(test.sample(n, seed))
    assert len(drawn) == min(n, len(test))
    rest = iter(slices(test))
    assert all(query in rest for query in drawn)


@given(data=datasets())
@settings(max_examples=50)
def test_the_least_count_is_of_the_data_before_anything_is_held_out(data: Dataset) -> None:
    assume(any(len(events) >= 3 for events in flat(data)))
    least = min(Counter(item for events in flat(data) for item, _ in events).values())
    assert leave_one_out(data).least_count == hold_out(data).least_count == least
    assert try_temporal(data).least_count == 0


def test_one_item_that_slipped_through_a_filter_does_not_hide_it() -> None:
    items = [str(code) for code in range(200) for _ in range(5)][1:]
    events = pl.DataFrame({"user_id": [n // 3 for n in range(999)], "item_id": items, "position": range(999)})
    data = Dataset.construct(pl.DataFrame({"item_id": sorted(set(items))}), events)
    assert data.counts.min() == 4
    assert hold_out(data).least_count == leave_one_out(data).least_count == 5
