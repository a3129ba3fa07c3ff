"""Online fusion against its definition, and against what must not matter: order, workers, extremes."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from feedback_helpers import clicked, fusion_with, impression
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from tailrank.arrays import Doubles, Offsets
from tailrank.errors import ModelError, RequestError
from tailrank.feedback.corrections import fused_scores
from tailrank.feedback.learning_settings import LearningSettings
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.outcome_sums import OutcomeSums
from tailrank.feedback.posterior import Posterior
from tailrank.ranking.fusion import knot_shares
from tailrank.signals.stored import StoredArrays

WEIGHTS = [1.0, 0.5, -0.3]
OFFLINE = fusion_with(WEIGHTS)
N_ITEMS = 8


def drawn_list(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "signals": 2 * rng.standard_normal((N_ITEMS, 3)).astype(np.float32),
        "levels": rng.integers(0, 151, N_ITEMS).astype(np.int32),
        "bucket": int(rng.integers(5)),
        "rewards": np.eye(N_ITEMS)[rng.integers(N_ITEMS)],
        "time": float(rng.integers(0, 1_000)),
    }


def learned(lists: list[dict[str, Any]], half_life: float | None = None) -> OnlineFusion:
    online = OnlineFusion.start(OFFLINE, LearningSettings(half_life=half_life))
    for one in lists:
        online.update(**one)
    return online


def assert_same(one: OnlineFusion, other: OnlineFusion) -> None:
    np.testing.assert_allclose(one.posterior().means, other.posterior().means, atol=1e-9)
    np.testing.assert_allclose(one.posterior().covariances, other.posterior().covariances, atol=1e-9)


def test_before_any_outcome_it_ranks_by_the_offline_weights() -> None:
    fusion = OnlineFusion.start(OFFLINE).fusion()
    assert np.array_equal(fusion.weights, OFFLINE.weights)
    assert np.array_equal(fusion.biases, OFFLINE.biases)


@given(st.integers(0, 10_000), st.sampled_from([3.0, 1.0, -1.0, -2.0]))
def test_what_is_clicked_goes_up_and_what_is_disliked_goes_down(seed: int, reward: float) -> None:
    one = drawn_list(seed)
    one["rewards"] *= reward
    at, where = int(np.argmax(one["rewards"] != 0)), (one["signals"], one["levels"], one["bucket"])
    online = learned([one])
    log_odds, _ = online.corrections.scored(*where)
    moved = log_odds @ online.posterior().means[one["bucket"]]
    weights = np.exp(np.sign(reward) * fused_scores(OFFLINE, *where)) / np.arange(1, N_ITEMS + 1)
    assert np.sign(reward) * (moved[at] - moved @ weights / weights.sum()) > 0


def test_a_click_further_down_says_more() -> None:
    one = drawn_list(0)
    one["signals"] = np.zeros((N_ITEMS, 3), np.float32)
    one["signals"][[0, -1], [1, 2]] = 4
    moved = []
    for at, signal in ((0, 1), (-1, 2)):
        online = OnlineFusion.start(replace(OFFLINE, weights=0 * OFFLINE.weights))
        online.update(**one | {"rewards": np.eye(N_ITEMS)[at]})
        moved.append(online.posterior().means[one["bucket"], signal])
    assert 0 < 1.5 * moved[0] < moved[1]


def log_likelihood(corrections: Doubles, one: dict[str, Any], ranks: Offsets) -> float:
    """What is learned from, by plain loops: `rewards` draws from a softmax with examination 1 / rank."""
    weights = (1 + corrections[-1]) * np.array(WEIGHTS) + corrections[:3]
    biases = [np.interp(level, OFFLINE.knots, corrections[3:-1]) for level in one["levels"]]
    scores, total = one["signals"] / 2 @ weights + biases, 0.0
    for at, reward in enumerate(one["rewards"]):
        every = np.sign(reward) * scores - np.log(ranks)
        total += abs(reward) * (every[at] - np.log(np.exp(every).sum()))
    return float(total)


@pytest.mark.parametrize("around", [0.0, 0.3])
def test_sums_are_the_expansion_of_the_likelihood(around: float) -> None:
    one, ranks = drawn_list(1), np.array([1, 2, 4, 5, 6, 9, 10, 20])
    one["rewards"] = np.array([0, 1, 0, -2, 0, 3, 0, 0.5])
    online = OnlineFusion.start(OFFLINE)
    online.around = np.full(online.around.shape, around)
    online.update(**one, ranks=ranks)
    curvature, pull = online.sums.curvature[one["bucket"]], online.sums.pull[one["bucket"]]

    def slope(at: Doubles) -> Doubles:
        found: Doubles = approx_fprime(at, log_likelihood, 1e-5, one, ranks)
        return found

    here = online.around[one["bucket"]]
    np.testing.assert_allclose(pull - curvature @ here, slope(here), atol=1e-3)
    np.testing.assert_allclose(-curvature, approx_fprime(here, slope, 1e-3), atol=0.03)


def test_sums_are_those_of_the_definition_to_the_last_digits() -> None:
    """Gradient and Hessian of the two softmaxes, written out; what is older counts less."""
    rng, half_life = np.random.default_rng(4), 100.0
    fusion = replace(
        OFFLINE,
        weights=rng.standard_normal(OFFLINE.weights.shape).astype(np.float32),
        biases=rng.standard_normal(OFFLINE.biases.shape).astype(np.float32),
        spreads=np.array([0.5, 2, 3], np.float32),
    )
    online = OnlineFusion.start(fusion, LearningSettings(half_life=half_life))
    online.around = 0.1 * rng.standard_normal(online.around.shape)
    lists = [drawn_list(seed) | {"bucket": 2} for seed in range(6)]
    for seed, one in enumerate(lists):
        one["rewards"] *= (-1) ** seed * (1 + seed)
        online.update(**one)
    curvature, pull = np.zeros((10, 10)), np.zeros(10)
    for one in lists:
        scores = fused_scores(fusion, one["signals"], one["levels"], 2)
        columns = [
            one["signals"] / np.array([0.5, 2, 3]),
            knot_shares(fusion.knots)[one["levels"]],
            scores[:, None],
        ]
        features = np.hstack(columns)
        features = np.clip(features - features.mean(axis=0), -10, 10)
        sign, total = np.sign(one["rewards"].sum()), abs(one["rewards"]).sum()
        chances = np.exp(sign * (scores + features @ online.around[2])) / np.arange(1, N_ITEMS + 1)
        chances /= chances.sum()
        negative = total * features.T @ (np.diag(chances) - np.outer(chances, chances)) @ features
        gradient = (one["rewards"] - sign * total * chances) @ features
        weight = 0.5 ** ((online.sums.latest[2] - one["time"]) / half_life)
        curvature += weight * negative
        pull += weight * (gradient + negative @ online.around[2])
    np.testing.assert_allclose(online.sums.curvature[2], curvature, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(online.sums.pull[2], pull, rtol=1e-12, atol=1e-12)


def test_the_posterior_is_that_of_all_buckets_at_once() -> None:
    """The definition: a normal prior on what is shared and on what is a bucket's own, in one large system."""
    sums = learned([drawn_list(seed) for seed in range(40)]).sums
    buckets, width = sums.pull.shape
    shared_sd, own_sd = np.linspace(0.3, 1, width), 0.2
    to_bucket = [np.kron(np.eye(1, 1 + buckets) + np.eye(1 + buckets)[1 + at], np.eye(width))
                 for at in range(buckets)]  # fmt: skip
    prior = np.concatenate([shared_sd**-2, np.full(buckets * width, own_sd**-2)])
    rows = list(zip(to_bucket, sums.curvature, sums.pull, strict=True))
    covariance = np.linalg.inv(np.diag(prior) + sum(to.T @ curvature @ to for to, curvature, _ in rows))
    mean = covariance @ sum(to.T @ pull for to, _, pull in rows)
    found = Posterior.given(sums, shared_sd, own_sd)
    for bucket, to in enumerate(to_bucket):
        np.testing.assert_allclose(found.means[bucket], to @ mean, atol=1e-9)
        np.testing.assert_allclose(found.covariances[bucket], to @ covariance @ to.T, atol=1e-9)


@pytest.mark.parametrize("half_life", [None, 300.0])
def test_neither_order_nor_workers_matter(half_life: float | None) -> None:
    lists = [drawn_list(seed) for seed in range(30)]
    whole = learned(lists, half_life)
    assert_same(learned(lists[::-1], half_life), whole)
    parts = learned(lists[::3], half_life), learned(lists[1::3] + lists[2::3], half_life)
    assert_same(parts[0].plus(parts[1]), whole)
    assert_same(parts[1].plus(parts[0]), whole)


def test_outcomes_fade_by_their_age_and_the_prior_stays() -> None:
    old, late = drawn_list(3), drawn_list(4)
    late |= {"bucket": old["bucket"], "time": old["time"] + 100}
    half = learned([old]).sums.curvature / 2
    kept = learned([old, late], half_life=100.0).sums.curvature
    np.testing.assert_allclose(kept, learned([late]).sums.curvature + half)
    late["time"] += 1e6
    assert_same(learned([old, late], half_life=100.0), learned([late]))


def test_what_learned_otherwise_does_not_add_up() -> None:
    one = learned([drawn_list(0)])
    with pytest.raises(RequestError, match="same offline weights"):
        one.plus(OnlineFusion.start(replace(OFFLINE, biases=OFFLINE.biases + 1), one.settings))
    with pytest.raises(RequestError, match="half_life are the same"):
        one.plus(learned([drawn_list(1)], half_life=5.0))


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from([1, 1e6, 3e38])), min_size=1, max_size=4))
def test_a_million_updates_by_extreme_signals_leave_it_positive_definite(
    drawn: list[tuple[int, float]],
) -> None:
    lists = [drawn_list(seed) for seed, _ in drawn]
    for one, (_, factor) in zip(lists, drawn, strict=True):
        one["signals"] = np.clip(one["signals"], -1, 1) * np.float32(factor)
    online = learned(lists)
    for _ in range(20):  # twice as many each time
        online = online.plus(online)
    posterior = online.posterior()
    assert online.sums.outcomes.sum() >= 2**20
    assert np.isfinite(posterior.means).all()
    assert np.array_equal(posterior.covariances, posterior.covariances.swapaxes(1, 2))
    assert (np.linalg.eigvalsh(posterior.covariances) > 0).all()
    assert np.isfinite(online.fusion().weights).all()


@pytest.mark.parametrize("name", ["signals", "rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_and_changes_nothing(name: str, value: float) -> None:
    one = drawn_list(5)
    one[name][0] = value
    online = OnlineFusion.start(OFFLINE)
    with pytest.raises(RequestError, match="must be finite"):
        online.update(**one)
    assert not online.sums.curvature.any()
    assert not online.sums.pull.any()


@pytest.mark.parametrize("time", [np.nan, np.inf, -np.inf, 4e9])
def test_a_wrong_clock_makes_nothing_forgotten(time: float) -> None:
    online = learned([drawn_list(5)], half_life=1.0)
    before = online.fusion().weights
    with pytest.raises(RequestError, match="time"):
        online.update(**drawn_list(5) | {"time": time})
    assert np.array_equal(online.fusion().weights, before)


def test_outcomes_say_what_their_events_mean() -> None:
    one = drawn_list(6)
    seen = impression(one["signals"], one["levels"], one["bucket"])
    clicks = np.arange(N_ITEMS) == 2
    online = OnlineFusion.start(OFFLINE)
    online.learn([clicked(seen, clicks, "purchase")])
    assert_same(online, learned([one | {"rewards": 3.0 * clicks, "time": 0.0}]))
    outcome = clicked(seen, clicks)
    assert LearningSettings().rewards_of(outcome).tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    strict = LearningSettings(passed_over=-0.5, rewards={"click": 2.0})
    assert strict.rewards_of(outcome).tolist() == [-0.5, -0.5, 2, 0, 0, 0, 0, 0]
    both = replace(outcome, times={**outcome.times, **clicked(seen, clicks, "dislike").times})
    assert LearningSettings().rewards_of(both).tolist() == [0, 0, -2, 0, 0, 0, 0, 0]


def test_an_event_says_as_little_as_it_is_told_to() -> None:
    one = drawn_list(0)
    seen = impression(one["signals"], one["levels"], one["bucket"])
    viewed, bought = np.eye(N_ITEMS, dtype=np.bool_)[[1, 3]]
    outcome = clicked(seen, viewed | bought, "view")
    times = {**outcome.times, **clicked(seen, bought, "purchase").times}
    settings = LearningSettings(rewards={"view": 0.1, "purchase": 3.0})
    assert settings.rewards_of(replace(outcome, times=times)).tolist() == [0, 0.1, 0, 3, 0, 0, 0, 0]


def test_unknown_items_and_lists_of_other_models_say_nothing() -> None:
    one = drawn_list(7)
    clicks = one["rewards"] > 0
    hidden = np.flatnonzero(~clicks)[:2]
    seen = impression(one["signals"].copy(), one["levels"], one["bucket"], time=one["time"])
    seen.signals[hidden] = np.nan
    online, kept = OnlineFusion.start(OFFLINE), np.delete(np.arange(N_ITEMS), hidden)
    online.learn([clicked(replace(seen, signal_names=("other",)), clicks)])
    assert not online.sums.outcomes.any()
    online.learn([clicked(seen, clicks)])
    expected = OnlineFusion.start(OFFLINE)
    rows = {name: one[name][kept] for name in ("signals", "levels", "rewards")}
    expected.update(**(one | rows), ranks=kept + 1)
    assert_same(online, expected)


def test_what_is_further_down_than_users_look_says_nothing() -> None:
    one = drawn_list(8) | {"rewards": np.eye(N_ITEMS)[-1]}
    online = OnlineFusion.start(OFFLINE, LearningSettings(examination=(1.0, 0.5)))
    online.update(**one)
    assert not online.sums.outcomes.any()


def test_what_was_learned_can_be_stored() -> None:
    online = learned([drawn_list(seed) for seed in range(5)])
    online.fusion()
    again = OnlineFusion.from_arrays(OFFLINE, online.settings, StoredArrays(online.arrays()))
    assert_same(again, online)
    assert np.array_equal(again.around, online.around)
    damaged = {**online.arrays(), "pull": np.full_like(online.sums.pull, np.nan)}
    with pytest.raises(ModelError, match="state: pull"):
        OnlineFusion.from_arrays(OFFLINE, online.settings, StoredArrays(damaged, place="state: "))


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("half_life", 0.0, "half_life must be above 0"),
        ("shared_sd", -1.0, "shared_sd must be at least 1e-06"),
        ("own_sd", 1e-200, "own_sd must be at least 1e-06"),
        ("passed_over", 1.0, "passed_over must be at least -1000 and at most 0"),
        ("examination", (), "one number above 0 for each rank"),
        ("examination", (1.0, 0.0), "one number above 0 for each rank"),
        ("rewards", {"click": np.inf}, "reward of 'click' must be a number within ±1000"),
        ("rewards", {"click": 1e300}, "reward of 'click' must be a number within ±1000"),
        ("passed_over", -1e300, "passed_over must be at least -1000 and at most 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: Any, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        LearningSettings(**{setting: value})


def test_without_a_half_life_nothing_fades() -> None:
    sums = OutcomeSums.none(1, 2)
    for late in (0.0, 1e9):
        sums.add(0, np.eye(2), np.ones(2), late)
    assert sums.pull.tolist() == [[2, 2]]


@pytest.mark.slow
def test_an_update_takes_microseconds() -> None:
    wide = fusion_with([0.5] * 25)  # 25 signals, 6 knots and the scale: 32 corrections
    online, rng = OnlineFusion.start(wide), np.random.default_rng(0)
    signals, levels = rng.standard_normal((10, 25)).astype(np.float32), np.zeros(10, np.int32)
    rewards, best = np.eye(10)[3], np.inf
    assert online.sums.pull.shape == (5, 32)
    for _ in range(200):  # short ones, of which some are undisturbed
        began = time.perf_counter()
        for _ in range(20):
            online.update(signals, levels, 1, rewards)
        best = min(best, (time.perf_counter() - began) / 20)
    assert best < 300e-6
