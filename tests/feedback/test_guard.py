"""The guard publishes what is better, holds what can't be told, and rolls back what is worse."""

from dataclasses import replace

import numpy as np
import pytest
from feedback_helpers import Visits, fusion_with

from tailrank.errors import RequestError
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.guard import Decision, Guard, GuardSettings
from tailrank.feedback.learning_settings import LearningSettings
from tailrank.feedback.online_fusion import OnlineFusion

OFFLINE = [1.0, 0.8, 0.5, 0.3]
BETTER = [0.2, 0.8, 1.1, 0.8]


def outcomes(n: int, taste: list[float], seed: int = 0) -> list[Outcome]:
    """Lists that the offline weights ranked."""
    visits = Visits(np.tile(taste, (n, 1)), seed)
    return [visits.show(fusion_with(OFFLINE), at)[1] for at in range(n)]


def guarded() -> Guard:
    online = OnlineFusion.start(fusion_with(OFFLINE), LearningSettings(half_life=None))
    return Guard(online, GuardSettings(window=400))


def test_weights_that_follow_a_new_taste_come_into_service() -> None:
    guard = guarded()
    decisions = guard.learn(outcomes(1_600, BETTER))
    better = [one for one in decisions if one.action == "publish" and one.candidate > one.served]
    assert better
    assert "so they are in service now" in str(better[-1])
    moved = guard.served.standardised_weights - guard.online.offline.standardised_weights
    assert np.sign(moved.mean(axis=(0, 1)))[[0, 2, 3]].tolist() == [-1, 1, 1]


def test_weights_that_would_have_done_worse_are_rolled_back() -> None:
    guard = guarded()
    corrupted = outcomes(400, [-value for value in OFFLINE], seed=1)
    guard.learn(corrupted)
    assert guard.online.sums.outcomes.sum() > 0
    [decision] = guard.learn(outcomes(400, OFFLINE, seed=2))
    assert decision.action == "roll back"
    assert decision.high < 0
    assert "what was learned since is forgotten" in str(decision)
    assert np.array_equal(guard.served.weights, guard.online.offline.weights)
    assert not guard.online.sums.outcomes.any()


def test_one_user_decides_nothing() -> None:
    gains = np.arange(4.0)
    decision = Decision.between(gains, gains + 1, np.zeros(4, np.int32), tolerance=0.01)
    assert decision.action == "hold"


def test_what_can_not_be_told_is_held() -> None:
    rng = np.random.default_rng(0)
    served, candidate = rng.random((2, 50))
    decision = Decision.between(served, candidate, np.arange(50, dtype=np.int32), tolerance=0.01)
    assert decision.action == "hold"
    assert decision.low < 0 < decision.high
    assert "not known to be no worse" in str(decision)


def test_lists_without_a_click_publish_nothing() -> None:
    guard = guarded()
    guard.learn(outcomes(400, BETTER))
    silent = [replace(one, clicked=np.zeros_like(one.clicked), times={}) for one in outcomes(400, BETTER)]
    [decision] = guard.learn(silent)
    assert decision.action == "hold"
    assert np.array_equal(guard.served.weights, guard.online.offline.weights)


def test_an_outcome_that_is_refused_leaves_the_window_as_it_was() -> None:
    guard, lists = guarded(), outcomes(400, BETTER)
    guard.learn(lists[:399])
    clicked = next(one for one in lists if one.clicked.any())
    broken = replace(clicked, impression=replace(clicked.impression, time=np.inf))
    with pytest.raises(RequestError, match="finite"):
        guard.learn([broken])
    assert len(guard.learn(lists[399:])) == 1


def test_the_estimate_is_what_the_other_order_gets() -> None:
    """Of lists that one order showed, as many clicks are expected as the other order really gets."""
    visits = Visits(np.tile(BETTER, (6_000, 1)), seed=3, candidates=10)  # all that there is is shown
    old, new = fusion_with(OFFLINE), fusion_with(BETTER)
    guard = guarded()
    guard._candidate = new
    estimates = np.array([guard._gain(visits.show(old, at)[1]) for at in range(6_000)])
    truth = np.mean([[visits.show(fusion, at)[0] for fusion in (old, new)] for at in range(6_000)], axis=0)
    errors = estimates.std(axis=0) / np.sqrt(6_000)
    assert (np.abs(estimates.mean(axis=0) - truth) < 4 * errors).all()
    assert truth[1] > 1.1 * truth[0]


@pytest.mark.parametrize("setting", [{"window": 1}, {"tolerance": -0.1}])
def test_settings_that_make_no_sense_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(RequestError, match=f"{next(iter(setting))} must be at least"):
        GuardSettings(**setting)  # type: ignore[arg-type]
