"""Does it pay? Users with a known taste, who change it half-way or don't."""

import numpy as np
import pytest
from feedback_helpers import Visits, fusion_with

from tailrank.arrays import Doubles
from tailrank.feedback.guard import Guard, GuardSettings
from tailrank.feedback.learning_settings import LearningSettings
from tailrank.feedback.online_fusion import OnlineFusion

OFFLINE, LATER = [1.0, 0.8, 0.5, 0.5, 0.3, 0.0], [0.2, 0.8, 1.1, 0.2, 0.8, 0.6]
N, SEEDS = 2_000, range(4)


def gains(taste: Doubles, seed: int, guarded: bool) -> Doubles:
    """Expected clicks of each list, by weights that learn and by the offline weights; (visits, 2)."""
    visits, offline = Visits(taste, seed), fusion_with(OFFLINE)
    online = OnlineFusion.start(offline, LearningSettings(half_life=1_000.0))
    guard, fusion, found = Guard(online, GuardSettings(window=200)), offline, []
    for at in range(len(taste)):
        if guarded:
            fusion = guard.served
        elif at % 50 == 0:
            fusion = online.fusion()
        clicks, outcome = visits.show(fusion, at)
        found.append((clicks, visits.show(offline, at)[0]))
        (guard if guarded else online).learn([outcome])
    return np.array(found)


def taste(later: list[float]) -> Doubles:
    return np.repeat([OFFLINE, later], N // 2, axis=0)


@pytest.mark.parametrize("guarded", [False, True])
def test_it_beats_frozen_weights_if_taste_shifts(guarded: bool) -> None:
    learned, frozen = np.concatenate([gains(taste(LATER), seed, guarded) for seed in SEEDS]).T
    difference = learned - frozen
    assert difference.mean() - 1.96 * difference.std() / np.sqrt(len(difference)) > 0
    late = np.arange(len(difference)) % N >= 3 * N // 4
    assert learned[late].mean() > 1.1 * frozen[late].mean()


def test_it_costs_next_to_nothing_if_taste_stays() -> None:
    learned, frozen = np.concatenate([gains(taste(OFFLINE), seed, True) for seed in SEEDS]).mean(axis=0)
    assert learned / frozen - 1 > -0.005
