"""The long-tail policy as properties of any scores and counts."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrank.policy.long_tail import FULL, promote, rarity

from tailrank.errors import RequestError

COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).map(np.array)
DIAL = st.floats(0, 1, width=32)


def scores_for(counts: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, len(counts)).astype(np.float32)


@given(COUNTS)
def test_at_zero_nothing_changes(counts: np.ndarray) -> None:
    scores = scores_for(counts)
    assert np.array_equal(promote(scores, rarity(counts), 0.0), scores)


@given(COUNTS, DIAL, DIAL)
def test_a_higher_dial_lowers_no_item(counts: np.ndarray, one: float, other: float) -> None:
    scores = scores_for(counts)
    weak, strong = sorted([one, other])
    assert (promote(scores, rarity(counts), weak) <= promote(scores, rarity(counts), strong)).all()


@given(COUNTS, DIAL)
@example(np.array([1, 0]), 0.5)
def test_the_boost_runs_from_the_dial_down_to_nothing(counts: np.ndarray, dial: float) -> None:
    boost = promote(np.zeros(len(counts), np.float32), rarity(counts), dial)
    assert (boost >= 0).all()
    assert (boost <= FULL * dial).all()
    assert (boost[counts == 0] == np.float32(FULL * dial)).all()
    if counts.any():
        assert not boost[counts == counts.max()].any()
    assert (np.diff(boost[np.argsort(counts)]) <= 0).all()


@given(COUNTS, DIAL, st.integers(0, 99))
def test_items_of_equal_counts_keep_their_order(counts: np.ndarray, dial: float, seed: int) -> None:
    scores, counts = scores_for(counts, seed), counts % 3
    promoted = promote(scores, rarity(counts), dial)
    for count in range(3):
        order = np.argsort(scores[counts == count])
        assert (np.diff(promoted[counts == count][order]) >= 0).all()


def test_each_row_of_a_batch_is_promoted_alike() -> None:
    counts, batch = np.array([0, 3, 40]), np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(
        promote(batch, rarity(counts), 0.4), [promote(row, rarity(counts), 0.4) for row in batch]
    )


def test_an_unseen_item_gains_four_times_the_dial_in_log_odds() -> None:
    scores, counts = np.array([-1.0, 1.0], np.float32), np.array([0, 500])
    assert np.argmax(promote(scores, rarity(counts), 0.49)) == 1
    assert np.argmax(promote(scores, rarity(counts), 0.51)) == 0


@pytest.mark.parametrize("dial", [-0.1, 1.5, float("nan")])
def test_a_dial_outside_0_to_1_is_refused(dial: float) -> None:
    with pytest.raises(RequestError, match="0 to 1"):
        promote(np.zeros(1, np.float32), np.ones(1, np.float32), dial)
