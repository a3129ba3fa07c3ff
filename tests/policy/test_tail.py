"""The tail policy as properties of any scores and counts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.registry import from_description
from tailrank.policy.tail import FULL, TailBoost, rarity

COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).map(np.array)
STRENGTH = st.floats(0, 1, width=32)


def boosted(scores: np.ndarray, counts: np.ndarray, strength: float) -> np.ndarray:
    return TailBoost(strength).apply(Scored(scores, rarity(counts))).scores


def scores_for(counts: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, len(counts)).astype(np.float32)


@given(COUNTS)
def test_at_zero_nothing_changes(counts: np.ndarray) -> None:
    scores = scores_for(counts)
    assert np.array_equal(boosted(scores, counts, 0.0), scores)


@given(COUNTS, STRENGTH, STRENGTH)
def test_more_strength_lowers_no_item(counts: np.ndarray, one: float, other: float) -> None:
    scores = scores_for(counts)
    weak, strong = sorted([one, other])
    assert (boosted(scores, counts, weak) <= boosted(scores, counts, strong)).all()


@given(COUNTS, STRENGTH)
@example(np.array([1, 0]), 0.5)
def test_the_boost_runs_from_the_strength_down_to_nothing(counts: np.ndarray, strength: float) -> None:
    boost = boosted(np.zeros(len(counts), np.float32), counts, strength)
    assert (boost >= 0).all()
    assert (boost <= FULL * strength).all()
    assert (boost[counts == 0] == np.float32(FULL * strength)).all()
    if counts.any():
        assert not boost[counts == counts.max()].any()
    assert (np.diff(boost[np.argsort(counts)]) <= 0).all()


@given(COUNTS, STRENGTH, st.integers(0, 99))
def test_items_of_equal_counts_keep_their_order(counts: np.ndarray, strength: float, seed: int) -> None:
    scores, counts = scores_for(counts, seed), counts % 3
    higher = boosted(scores, counts, strength)
    for count in range(3):
        order = np.argsort(scores[counts == count])
        assert (np.diff(higher[counts == count][order]) >= 0).all()


def test_each_row_of_a_batch_is_boosted_alike() -> None:
    counts, batch = np.array([0, 3, 40]), np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(boosted(batch, counts, 0.4), [boosted(row, counts, 0.4) for row in batch])


def test_a_cold_item_gains_four_times_the_strength_in_log_odds() -> None:
    scores, counts = np.array([-1.0, 1.0], np.float32), np.array([0, 500])
    assert np.argmax(boosted(scores, counts, 0.49)) == 1
    assert np.argmax(boosted(scores, counts, 0.51)) == 0


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength: float) -> None:
    with pytest.raises(RequestError, match="strength must be at least 0 and at most 1"):
        TailBoost(strength)


@pytest.mark.parametrize("strength", ["full", None, [0.5]])
def test_a_strength_that_is_no_number_is_refused(strength: Any) -> None:
    with pytest.raises(RequestError, match="strength must be a number"):
        TailBoost(strength)


def test_a_description_of_another_policy_is_refused() -> None:
    for step, why in (
        ({"name": "tail", "strenght": 1}, "did you mean `strength`"),
        ({"strength": 1}, "`name` is missing: it says which policy is meant"),
        ("tail", "by its `name` and settings, not by 'tail'"),
    ):
        with pytest.raises(RequestError, match=why):
            from_description([step])  # type: ignore[list-item]


def test_what_it_added_is_noted_under_its_name() -> None:
    scored = Scored(np.zeros(2, np.float32), np.array([1, 0.5], np.float32))
    assert TailBoost(0.25).apply(scored).contributions["tail"].tolist() == [1.0, 0.5]
    assert TailBoost(0.0).apply(scored) is scored
