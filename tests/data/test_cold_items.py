"""Cold items: as if nobody had had them before the test."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrank.data.cold_items import cold_items, with_held_out_items
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.data.splits import Split, leave_one_out, temporal


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Some users with many events on few items, split in either way."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, items = draw(st.integers(60, 120)), draw(st.integers(5, 30))
    events = pl.DataFrame(
        {
            "user_id": rng.integers(0, 6, n),
            "item_id": rng.integers(0, items, n).astype(str),
            "timestamp": rng.permutation(n) // 2,  # two events each, and some in every period
        }
    )
    data = Dataset.construct(pl.DataFrame({"item_id": [str(code) for code in range(items)]}), events)
    repeats = draw(st.booleans())
    if draw(st.booleans()):
        return leave_one_out(data, repeats=repeats)
    return temporal(data, staleness=draw(st.sampled_from([0.0, 5.0, None])), repeats=repeats)


def events(histories: Histories) -> list[list[tuple[int, int, float]]]:
    """(item, type, time) of each history."""
    columns = zip(histories.items.tolist(), histories.types.tolist(), histories.times.tolist(), strict=True)
    flat = list(columns)
    return [flat[a:b] for a, b in zip(histories.offsets[:-1], histories.offsets[1:], strict=True)]


@given(split=splits(), seed=st.integers(0, 9), share=st.sampled_from([0.1, 0.3, 0.9]))
@settings(max_examples=150)
def test_cold_items_are_gone_from_all_that_is_learned_from_and_nothing_else_is(
    split: Split, seed: int, share: float
) -> None:
    made = cold_items(split, seed, share)
    assert made.cold is not None
    assert made.cold.sum() == round(share * split.train.n_items)
    cold = set(np.flatnonzero(made.cold).tolist())

    def warm(histories: Histories) -> list[list[tuple[int, int, float]]]:
        return [[event for event in each if event[0] not in cold] for each in events(histories)]

    def asked(queries: Queries) -> list[tuple[int, int]]:
        return list(zip(queries.users.tolist(), queries.targets.tolist(), strict=True))

    for before, after in ((split.train, made.train), (split.full_train, made.full_train)):
        assert events(after.histories) == warm(before.histories)
        assert (after.counts == np.where(made.cold, 0, before.counts)).all()
    assert (made.full_train is made.train) == (split.full_train is split.train)
    kept = split.validation.take(~made.cold[split.validation.targets])
    for old, new in ((kept, made.validation), (split.test, made.test)):
        assert asked(new) == asked(old)
        assert events(new.histories) == warm(old.histories)
        assert events(new.full_histories) == warm(old.full_histories)
    in_time_order = made.validation.in_time_order()
    times = kept.source.times[kept.full_ends]
    assert asked(in_time_order) == [asked(kept)[at] for at in np.argsort(times, kind="stable")]


@given(split=splits(), seed=st.integers(0, 9))
@settings(max_examples=30)
def test_fair_ground_is_what_training_knows_and_the_cold_items(split: Split, seed: int) -> None:
    made = cold_items(split, seed)
    assert made.least_count == max(1, split.least_count)
    assert made.cold is not None
    expected = (made.full_train.counts >= made.least_count) | made.cold
    assert made.fair_items.tolist() == expected.tolist()


def test_the_draw_depends_on_the_seed_alone(movielens: Dataset) -> None:
    by_time, by_user = temporal(movielens), leave_one_out(movielens)
    first, again, other = (
        cold_items(split, seed).cold for split, seed in ((by_time, 0), (by_user, 0), (by_time, 1))
    )
    assert first is not None
    assert first.sum() == pytest.approx(0.1 * movielens.n_items, abs=1)
    assert again is not None
    assert other is not None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_items_held_out_of_what_is_learned() -> None:
    rng = np.random.default_rng(0)
    events = {"user_id": np.repeat(np.arange(400), 20), "item_id": rng.integers(0, 50, 8000).astype(str)}
    data = Dataset.construct(
        pl.DataFrame({"item_id": [str(code) for code in range(60)]}),
        pl.DataFrame(events | {"timestamp": rng.permutation(8000)}),
    )
    split = temporal(data, repeats=True)
    made = with_held_out_items(split, share=0.3)
    assert made.cold is not None
    assert made.cold.sum() == 15
    assert (made.train.counts == np.where(made.cold, 0, split.train.counts)).all()
    assert (made.validation.targets == split.validation.targets).all()
    assert not made.cold[made.validation.histories.items].any()
    assert made.full_train is split.full_train
    assert with_held_out_items(split, share=0.02) is split  # too few queries ask for one item
