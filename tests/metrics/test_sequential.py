"""Intervals and tests that hold at all times."""

import numpy as np
import pytest
from ville import AsymptoticCS

from tailrank.arrays import Codes, Doubles
from tailrank.metrics.sequential import (
    LEAST_SUPPORT,
    UserMean,
    always_valid,
    sample_ratio,
    standard_errors,
)
from tailrank.metrics.significance import standard_error

ALPHA = 0.05


def visits(rng: np.random.Generator, users: int, gain: float = 0.0) -> tuple[Doubles, Codes]:
    """Clicks of users who come several times and differ in how much they click."""
    codes = np.repeat(np.arange(users), rng.integers(1, 6, users)).astype(np.int32)
    return rng.poisson(rng.gamma(2, 0.2 + gain, users)[codes]).astype(np.float64), codes


def test_the_interval_is_that_of_another_library_at_each_look() -> None:
    values = np.random.default_rng(0).exponential(size=3000)
    theirs = AsymptoticCS(alpha=ALPHA, t_opt=1000).fit(values)
    for n in (600, 1000, 3000):
        ours = always_valid(UserMean.of(values[:n], np.arange(n, dtype=np.int32)), alpha=ALPHA, tightest=1000)
        # Theirs adds up squares, and finds the best mixture by trying.
        assert [ours.mean, ours.low, ours.high] == pytest.approx(
            [theirs.estimate_[n - 1], theirs.lower_[n - 1], theirs.upper_[n - 1]], abs=1e-5
        )


def test_the_variance_is_that_over_users() -> None:
    values, users = visits(np.random.default_rng(1), 300)
    mean = UserMean.of(values, users)
    assert np.sqrt(mean.variance * 299 / 300) == pytest.approx(
        standard_error(values, np.zeros(len(values)), users)
    )
    assert mean.independent_rows < mean.rows
    alone = UserMean.of(values, np.arange(len(values), dtype=np.int32))
    assert alone.independent_rows == pytest.approx(alone.rows)
    assert alone.variance == pytest.approx(values.var(ddof=1) / len(values))


def test_support_counts_the_users_who_click_if_few_do() -> None:
    clicks = np.zeros(10_000)
    clicks[:40] = 1
    rare = UserMean.of(clicks, np.arange(10_000, dtype=np.int32))
    assert rare.support == pytest.approx(40, rel=0.02)
    assert LEAST_SUPPORT > 40
    interval = always_valid(rare, alpha=ALPHA, tightest=1000)
    assert (interval.low, interval.high) == (-np.inf, np.inf)


def test_clicks_in_one_group_alone_bound_the_difference_if_the_other_is_large() -> None:
    clicks = np.zeros(10_000)
    none = UserMean.of(clicks, np.arange(10_000, dtype=np.int32))
    clicks[:200] = 1
    some = UserMean.of(clicks, np.arange(10_000, dtype=np.int32))
    assert always_valid(some - none, alpha=ALPHA, tightest=1000).low > 0
    small = UserMean.of(clicks[-200:], np.arange(200, dtype=np.int32))
    assert always_valid(some - small, alpha=ALPHA, tightest=1000).low == -np.inf


@pytest.mark.parametrize(
    ("values", "users"),
    [([], []), ([0.3], [0]), ([0.1] * 500, range(500)), ([1.0, 0.0] * 200, np.repeat(range(200), 2))],
    ids=["nothing", "one row", "one value", "the same of every user"],
)
def test_what_doesnt_vary_bounds_nothing(values: list[float], users: list[int]) -> None:
    mean = UserMean.of(np.array(values, np.float64), np.array(users, np.int32))
    assert mean.support == mean.variance == 0
    interval = always_valid(mean - mean, alpha=ALPHA, tightest=1000)
    assert (interval.low, interval.high) == (-np.inf, np.inf)


def test_it_is_tightest_when_it_should_be() -> None:
    around = [standard_errors(rows, alpha=ALPHA, tightest=5000) for rows in (4000, 5000, 6250)]
    reach = np.array(around)
    assert reach.argmin() == 1


def test_nothing_is_found_more_often_than_promised_by_looking_all_the_time() -> None:
    found, usual = 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values, users = visits(rng, 1500)
        treated = (rng.random(1500) < 0.5)[users]
        ever = often = False
        for n in range(300, len(values), 150):
            arms = [
                UserMean.of(values[:n][treated[:n] == arm], users[:n][treated[:n] == arm])
                for arm in (True, False)
            ]
            seen = always_valid(arms[0] - arms[1], alpha=ALPHA, tightest=2000)
            ever |= not seen.low <= 0 <= seen.high
            often |= abs(seen.mean) > 1.96 * np.sqrt(arms[0].variance + arms[1].variance)
        found, usual = found + ever, usual + often
    assert found / 200 <= ALPHA
    assert usual / 200 > 2 * ALPHA  # what looking all the time does to the usual test


def test_a_difference_is_found_and_bounded() -> None:
    rng = np.random.default_rng(0)
    treatment, control = visits(rng, 4000, gain=0.05), visits(rng, 4000)
    found = always_valid(UserMean.of(*treatment) - UserMean.of(*control), alpha=ALPHA, tightest=20_000)
    assert 0 < found.low < 0.1 < found.high


def test_the_sample_ratio_is_that_of_the_formula_and_holds_at_all_times() -> None:
    from scipy.special import gammaln

    arms = np.array([0, 0, 1, 0, 0, 0], np.int32)
    best = 0.0
    for n in range(1, 7):
        counts = np.bincount(arms[:n], minlength=2)
        prior = np.array([250.0, 750.0])
        log = gammaln(1000) - gammaln(1000 + n) + (gammaln(prior + counts) - gammaln(prior)).sum()
        best = max(best, log - counts @ np.log([0.25, 0.75]))
    assert sample_ratio(arms, np.array([1.0, 3.0])) == pytest.approx(np.exp(-best))
    alarms = sum(
        sample_ratio(np.random.default_rng(seed).integers(0, 2, 5000).astype(np.int32), np.ones(2)) < 0.05
        for seed in range(300)
    )
    assert alarms / 300 <= 0.05


def test_a_wrong_split_is_seen() -> None:
    lost = (np.random.default_rng(0).random(30_000) < 0.48).astype(np.int32)
    assert sample_ratio(lost, np.ones(2)) < 0.001
    assert sample_ratio(lost, np.array([52.0, 48.0])) > 0.001
    assert sample_ratio(np.zeros(0, np.int32), np.ones(2)) == 1


def test_bounds_alone_hold_at_all_looks_and_bound_what_hardly_varies() -> None:
    """Who is always right at once: the variance of wins that never fail can't be estimated."""
    rng, missed = np.random.default_rng(3), 0
    for _ in range(200):
        users = rng.integers(0, 150, 600).astype(np.int32)
        taste = rng.choice([-1.0, 1.0], 150)  # the wins of a user are all equal, the worst case
        for n in range(20, 601, 20):
            found = always_valid(UserMean.bounded(taste[users[:n]], users[:n]), alpha=ALPHA, tightest=1000)
            if not found.low <= 0 <= found.high:
                missed += 1
                break
    assert missed <= 200 * ALPHA
    all_won = UserMean.bounded(np.ones(100), np.arange(100, dtype=np.int32))
    assert always_valid(all_won, alpha=ALPHA, tightest=1000).low > 0
