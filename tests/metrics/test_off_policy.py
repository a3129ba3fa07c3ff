"""What another policy would have earned, where that is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tailrank.arrays import Doubles, Offsets
from tailrank.errors import RequestError
from tailrank.metrics.estimate import NORMAL, Estimate, standard_error
from tailrank.metrics.off_policy import doubly_robust, ips, on_policy, snips
from tailrank.metrics.off_policy_slates import cascade_doubly_robust, reward_interaction_ips, slate_ips

ATTRACTION = (0.25, 0.5, 0.75)
LOGGED, TARGET = (0.5, 0.25, 0.25), (0.125, 0.25, 0.625)
Clicks = tuple[bool, ...]
Behaviour = Callable[[tuple[int, int], Clicks], float]
"""The chance of two clicks on two items."""


def of_chances(first: float, second: float, clicks: Clicks) -> float:
    return (first if clicks[0] else 1 - first) * (second if clicks[1] else 1 - second)


def by_position(items: tuple[int, int], clicks: Clicks) -> float:
    return of_chances(ATTRACTION[items[0]], ATTRACTION[items[1]] / 2, clicks)


def cascade(items: tuple[int, int], clicks: Clicks) -> float:
    second = 0.0 if clicks[0] else ATTRACTION[items[1]]
    return of_chances(ATTRACTION[items[0]], second, clicks)


def whole_ranking(items: tuple[int, int], clicks: Clicks) -> float:
    first = ATTRACTION[items[0]] / (2 if items[1] == 2 else 1)
    return of_chances(first, ATTRACTION[items[1]] / 2, clicks)


def next_chances(items: tuple[int, int], chances: tuple[float, ...]) -> tuple[float, float]:
    """Draw two of three items: the first by its chance, the second by chance among those that are left."""
    first, second = items
    return chances[first], chances[second] / (1 - chances[first])


def marginal(position: int, item: int, chances: tuple[float, ...]) -> float:
    """Sum up the chances of the rankings that have an item at a position."""
    rankings = [pair for pair in permutations(range(3), 2) if pair[position] == item]
    return float(sum(np.prod(next_chances(pair, chances)) for pair in rankings))


def everything(behaviour: Behaviour) -> dict[str, Doubles]:
    """Make the log in which each ranking, with all that users may do, comes as often as it is likely."""
    rows: list[dict[str, tuple[float, ...]]] = []
    for items, clicks in product(permutations(range(3), 2), product((False, True), repeat=2)):
        chances = next_chances(items, LOGGED)
        times = 3 * 2**9 * float(np.prod(chances)) * behaviour(items, clicks)
        assert times == pytest.approx(round(times))
        row: dict[str, tuple[float, ...]] = {
            "rewards": clicks,
            "next_propensity": chances,
            "next_target": next_chances(items, TARGET),
            "propensity": tuple(marginal(k, items[k], LOGGED) for k in (0, 1)),
            "target": tuple(marginal(k, items[k], TARGET) for k in (0, 1)),
        }
        rows += [row] * round(times)
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def truth(behaviour: Behaviour) -> float:
    """Expect the clicks of the target."""
    cases = list(product(permutations(range(3), 2), product((False, True), repeat=2)))
    chances = [float(np.prod(next_chances(items, TARGET))) * behaviour(items, did) for items, did in cases]
    return float(np.dot(chances, [sum(did) for _, did in cases]))


def item_position(log: dict[str, Doubles]) -> tuple[Doubles, Doubles, Doubles]:
    return log["rewards"], log["propensity"], log["target"]


def by_next(log: dict[str, Doubles]) -> tuple[Doubles, Doubles, Doubles]:
    return log["rewards"], log["next_propensity"], log["next_target"]


def cascade_of_nonsense(log: dict[str, Doubles]) -> Estimate:
    """Predict the same of every item, which is wrong: the mean over the target's items is the same, too."""
    same = np.broadcast_to([0.7, 0.2], log["rewards"].shape)
    return cascade_doubly_robust(*by_next(log), same, same)


CLAIMS: dict[str, tuple[Callable[[dict[str, Doubles]], Estimate], set[Behaviour]]] = {
    "ips": (lambda log: ips(*item_position(log)), {by_position}),
    "snips": (lambda log: snips(*item_position(log)), {by_position}),
    "reward interaction": (lambda log: reward_interaction_ips(*by_next(log)), {by_position, cascade}),
    "cascade-dr": (cascade_of_nonsense, {by_position, cascade}),
    "slate": (lambda log: slate_ips(*by_next(log)), {by_position, cascade, whole_ranking}),
}


@pytest.mark.parametrize("behaviour", [by_position, cascade, whole_ranking])
@pytest.mark.parametrize("name", CLAIMS)
def test_estimators_are_unbiased_for_the_users_that_they_are_meant_for_and_no_others(
    name: str, behaviour: Behaviour
) -> None:
    estimate, claims = CLAIMS[name]
    value = estimate(everything(behaviour)).value
    assert (value == pytest.approx(truth(behaviour), abs=1e-9)) == (behaviour in claims)


def choices(n: int, seed: int = 0) -> tuple[Doubles, Doubles, Doubles, Offsets]:
    """Draw a log of three choices: rewards, propensities, target, choices."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(3, n, p=LOGGED)
    rewards = (rng.random(n) < np.array(ATTRACTION)[chosen]).astype(np.float64)
    propensities: Doubles = np.array(LOGGED)[chosen]
    target: Doubles = np.array(TARGET)[chosen]
    return rewards, propensities, target, chosen


VALUE = float(np.dot(TARGET, ATTRACTION))


def robust(rewards: Doubles, propensities: Doubles, target: Doubles, chosen: Offsets) -> Estimate:
    predicted = np.array([0.3, 0.5, 0.6])
    expected = np.full(len(rewards), predicted @ TARGET)
    return doubly_robust(rewards, propensities, target, predicted[chosen], expected)


@pytest.mark.parametrize("estimate", [lambda *log: ips(*log[:3]), lambda *log: snips(*log[:3]), robust])
def test_the_interval_holds_the_truth_19_times_of_20(estimate: Callable[..., Estimate]) -> None:
    found = [estimate(*choices(300, seed)) for seed in range(200)]
    assert 0.89 <= np.mean([each.low <= VALUE <= each.high for each in found]) <= 0.99
    assert np.mean([each.value for each in found]) == pytest.approx(VALUE, abs=0.01)


def test_a_good_prediction_narrows_the_interval() -> None:
    log = choices(1_000)
    plain, better = ips(*log[:3]), robust(*log)
    assert better.high - better.low < 0.8 * (plain.high - plain.low)


def test_snips_varies_as_resamples_that_are_normalised_each_by_itself() -> None:
    rewards, propensities, target, _ = choices(2_000)
    rewards, weights = 1 + rewards, target / propensities  # far from 0, where normalising matters most

    def ratio(weights: Doubles, weighted: Doubles, axis: int) -> Any:
        return weighted.sum(axis) / weights.sum(axis)

    drawn = stats.bootstrap((weights, weights * rewards), ratio, paired=True, method="percentile", rng=0)
    found = snips(rewards, propensities, target)
    assert [found.low, found.high] == pytest.approx(list(drawn.confidence_interval), abs=0.003)
    once = standard_error(weights * rewards / weights.mean() - found.value)
    assert standard_error(found.influence) < 0.7 * once


def test_the_interval_removes_skewness_by_halls_transformation() -> None:
    found = on_policy((np.arange(200) % 20 == 0).astype(np.float64))
    skewness = stats.skew(found.influence) / np.sqrt(200)
    for end, quantile in ((found.low, NORMAL), (found.high, -NORMAL)):
        t = (found.value - end) / standard_error(found.influence)
        assert t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6 == pytest.approx(quantile)
    assert 0 < found.value - found.low < found.high - found.value


def test_the_interval_of_a_symmetric_mean_is_the_normal_one() -> None:
    found = on_policy(np.tile([0.0, 1.0], 50))
    assert found.high - 0.5 == pytest.approx(0.5 - found.low) == pytest.approx(NORMAL * 0.5 / np.sqrt(99))


def test_rows_of_one_user_count_as_one() -> None:
    rewards, propensities, target, _ = (np.repeat(column, 4) for column in choices(200))
    users = np.repeat(np.arange(200), 4).astype(np.int32)[::-1]
    for estimate in (ips, snips):
        one = estimate(*choices(200)[:3])
        found = estimate(rewards, propensities, target, users=users)
        assert (found.value, found.low, found.high) == pytest.approx((one.value, one.low, one.high))
        assert found.n == 800


def test_differences_of_estimates_from_one_log_are_sharper_than_each() -> None:
    rewards, propensities, target, _ = choices(1_000)
    near = 0.9 * np.array(propensities) + 0.1 * target
    one, other = snips(rewards, propensities, near), on_policy(rewards)
    gain = one.minus(other)
    assert gain.value == pytest.approx(one.value - other.value)
    assert 0 < gain.low < gain.high
    assert gain.high - gain.low < 0.3 * (one.high - one.low)
    assert one.minus(one).low == one.minus(one).high == 0
    with pytest.raises(RequestError, match="1000 and 900 rows"):
        one.minus(on_policy(rewards[:900]))


def with_value(row: int, value: float, others: float = 0.5) -> Doubles:
    column = np.full(100, others)
    column[row] = value
    return column


ROWS = np.tile([0.0, 1.0], 50)
HALF = np.full(100, 0.5)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ((ROWS, with_value(17, 0), HALF), r"propensities\[17\] is 0: .* above 0 and at most 1"),
        ((ROWS, with_value(3, 1.5), HALF), r"propensities\[3\] is 1.5"),
        ((ROWS, with_value(3, np.nan), HALF), r"propensities\[3\] is nan: give a finite number"),
        ((ROWS, HALF, with_value(99, -0.1)), r"target\[99\] is -0.1: a chance is from 0 to 1"),
        ((with_value(5, 1e300), HALF, HALF), r"rewards\[5\] is 1e\+300: .* within ±1e\+15"),
        ((ROWS, with_value(7, 1e-300), HALF), r"weights\[7\] is 5e\+299: the log hardly ever shows"),
        ((ROWS, with_value(7, 5e-324), HALF), r"weights\[7\] is inf"),
        ((with_value(0, np.inf), HALF, HALF), r"rewards\[0\] is inf"),
        ((ROWS, HALF[:99], HALF), r"propensities has shape \(99, 1\), rewards have \(100, 1\)"),
        ((ROWS.reshape(50, 2), *(with_value(5, 0).reshape(50, 2),) * 2), r"propensities\[2, 1\] is 0"),
        (([], [], []), r"rewards has shape \(0, 1\)"),
        ((0 * ROWS, HALF, HALF), "rewards are all 0: log until some differ"),
        ((with_value(9, 1, others=0), HALF, HALF), "rewards are too rare: 1.0 of them would tell"),
        ((ROWS, HALF, np.tile([0.5, 0.1], 50)), "never shows about 40% of what the target would"),
        ((ROWS, HALF, np.ones(100)), "weights average 2.00 instead of 1"),
        ((ROWS, with_value(0, 0.005), with_value(0, 0.2, others=0.3)), "100 rows say as much .* as 6.0"),
    ],
)
def test_what_says_nothing_is_refused_with_a_remedy(log: tuple[Any, Any, Any], message: str) -> None:
    for estimate in (ips, snips):
        with pytest.raises(RequestError, match=message):
            estimate(*log)


def test_a_position_of_rankings_that_says_nothing_is_named() -> None:
    target = np.column_stack([HALF, np.tile([0.5, 0.1], 50)])
    with pytest.raises(RequestError, match="position 2: the log never shows about 40%"):
        reward_interaction_ips(np.column_stack([ROWS, ROWS]), np.full((100, 2), 0.5), target)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("last", [1.0, 0.0])
def test_rankings_that_the_log_hardly_ever_shows_are_refused(last: float) -> None:
    rewards, logged, target = np.tile([0.0, 1.0], (100, 20)), np.full((100, 40), 1e-20), np.ones((100, 40))
    target[:, -1] = last
    for estimate in (reward_interaction_ips, slate_ips):
        with pytest.raises(RequestError, match=r"weights\[0, 1\] is 1e\+40: the log hardly ever shows"):
            estimate(rewards, logged, target)


def test_users_have_to_be_as_many_as_rows_and_more_than_one() -> None:
    with pytest.raises(RequestError, match="users has 2 values, rewards have 100 rows"):
        on_policy(ROWS, users=np.zeros(2, np.int32))
    with pytest.raises(RequestError, match="rows of two users at least, not of 1"):
        on_policy(ROWS, users=np.zeros(100, np.int32))
