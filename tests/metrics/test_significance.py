"""Intervals of a difference between two models."""

import time

import numpy as np
import pytest
from scipy import stats

from tailrank.arrays import Codes, Doubles
from tailrank.metrics.significance import paired_bootstrap


def two_models(n: int, seed: int, gain: float = 0.0) -> tuple[Doubles, Doubles, Codes]:
    """Values of two models for users with 1 to 4 queries each, alike within a user."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n), rng.integers(1, 5, n)).astype(np.int32)
    hard = rng.random(n)[users]
    taste = rng.normal(gain, 0.2, n)[users]
    return hard + taste + rng.normal(0, 0.05, len(users)), hard, users


def test_interval_agrees_with_scipy_if_each_user_has_one_query() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(300), rng.random(300)
    ours = paired_bootstrap(a, b, np.arange(300, dtype=np.int32), resamples=4000)
    theirs = stats.bootstrap(
        (a, b),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
    ).confidence_interval
    assert ours is not None
    assert ours.mean == pytest.approx(a.mean() - b.mean())
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.004)


def test_users_are_drawn_with_all_of_their_queries() -> None:
    a, b, users = two_models(80, seed=1)
    rng = np.random.default_rng(2)
    own = [np.flatnonzero(users == user) for user in range(80)]
    drawn = (np.concatenate([own[user] for user in rng.integers(0, 80, 80)]) for _ in range(4000))
    expected = np.quantile([np.mean(a[rows] - b[rows]) for rows in drawn], [0.025, 0.975])
    ours = paired_bootstrap(a, b, users, resamples=4000)
    assert ours is not None
    assert [ours.low, ours.high] == pytest.approx(expected, abs=0.006)


def test_the_interval_holds_the_truth_19_times_of_20() -> None:
    held = 0
    for seed in range(200):
        interval = paired_bootstrap(*two_models(120, seed, gain=0.03), resamples=400)
        assert interval is not None
        held += interval.low <= 0.03 <= interval.high
    assert 0.89 <= held / 200 <= 0.99


def test_rows_choose_queries_and_the_users_behind_them() -> None:
    a, b, users = two_models(100, seed=3)
    rows = users % 3 == 0
    assert paired_bootstrap(a, b, users, rows) == paired_bootstrap(a[rows], b[rows], users[rows])


def test_swapping_the_models_turns_the_interval_round() -> None:
    a, b, users = two_models(100, seed=4)
    one, other = paired_bootstrap(a, b, users), paired_bootstrap(b, a, users)
    assert one is not None
    assert other is not None
    assert [one.mean, one.low, one.high] == pytest.approx([-other.mean, -other.high, -other.low])


@pytest.mark.parametrize("rows", [[False, False, False], [True, True, False]])
def test_one_user_gives_no_interval(rows: list[bool]) -> None:
    values, users = np.array([1.0, 0.0, 0.5]), np.array([7, 7, 9], np.int32)
    assert paired_bootstrap(values, values, users, np.array(rows)) is None


@pytest.mark.slow
def test_a_large_comparison_takes_under_two_seconds() -> None:
    a, b, users = two_models(22_000, seed=5)
    start = time.perf_counter()
    paired_bootstrap(a, b, users)
    assert time.perf_counter() - start < 2
