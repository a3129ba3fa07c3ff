"""The long-tail policy as properties of any scores and counts."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tailrank.policy.long_tail import promote, rarity

COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).map(np.array)
STRENGTH = st.floats(0, 8, width=32)


def scores_for(counts: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, len(counts)).astype(np.float32)


@given(COUNTS)
def test_without_strength_nothing_changes(counts: np.ndarray) -> None:
    scores = scores_for(counts)
    assert np.array_equal(promote(scores, rarity(counts), 0.0), scores)


@given(COUNTS, STRENGTH, STRENGTH)
def test_a_greater_strength_lowers_no_item(counts: np.ndarray, one: float, other: float) -> None:
    scores = scores_for(counts)
    weak, strong = sorted([one, other])
    assert (promote(scores, rarity(counts), weak) <= promote(scores, rarity(counts), strong)).all()


@given(COUNTS, STRENGTH)
@example(np.array([1, 0]), 2.0)
def test_the_boost_runs_from_the_strength_down_to_nothing(counts: np.ndarray, strength: float) -> None:
    boost = promote(np.zeros(len(counts), np.float32), rarity(counts), strength)
    assert (boost >= 0).all()
    assert (boost <= strength).all()
    assert (boost[counts == 0] == np.float32(strength)).all()
    if counts.any():
        assert not boost[counts == counts.max()].any()
    assert (np.diff(boost[np.argsort(counts)]) <= 0).all()


@given(COUNTS, STRENGTH, st.integers(0, 99))
def test_items_of_equal_counts_keep_their_order(counts: np.ndarray, strength: float, seed: int) -> None:
    scores, counts = scores_for(counts, seed), counts % 3
    promoted = promote(scores, rarity(counts), strength)
    for count in range(3):
        order = np.argsort(scores[counts == count])
        assert (np.diff(promoted[counts == count][order]) >= 0).all()


def test_each_row_of_a_batch_is_promoted_alike() -> None:
    counts, batch = np.array([0, 3, 40]), np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(
        promote(batch, rarity(counts), 1.5), [promote(row, rarity(counts), 1.5) for row in batch]
    )


def test_an_unseen_item_gains_e_to_the_strength_in_odds() -> None:
    scores, counts = np.array([-1.0, 1.0], np.float32), np.array([0, 500])
    assert np.argmax(promote(scores, rarity(counts), 1.9)) == 1
    assert np.argmax(promote(scores, rarity(counts), 2.1)) == 0
