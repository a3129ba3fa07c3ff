"""Exploration keeps within its bounds, whatever is wished."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.base import Scored, apply_all
from tailrank.policy.exploration import TAIL, Exploration
from tailrank.policy.registry import described, from_description

NUMBERS = st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0, 1e6]), min_size=1, max_size=14)


def explored(exploration: Exploration, scored: Scored) -> tuple[np.ndarray, np.ndarray, Scored]:
    """Items in the order before, and after."""
    after = exploration.apply(scored)
    return (-scored.scores).argsort(kind="stable"), (-after.scores).argsort(kind="stable"), after


def drawn(scores: list[float], seed: int) -> Scored:
    rng, n = np.random.default_rng(seed), len(scores)
    bonus, rarity = 3 * rng.standard_normal((2, n)).astype(np.float32)
    return Scored(np.array(scores, np.float32), 1 / (1 + np.exp(-rarity)), bonus=bonus)


@given(NUMBERS, st.integers(0, 99), st.integers(1, 12), st.integers(0, 6), st.integers(0, 4))
def test_no_item_moves_further_and_no_more_of_the_tail_comes_up_than_allowed(
    scores: list[float], seed: int, places: int, moves: int, tail_places: int
) -> None:
    scored = drawn(scores, seed)
    before, after, found = explored(Exploration(places, moves, tail_places), scored)
    assert np.abs(np.argsort(before) - np.argsort(after)).max() <= moves
    came_up = sorted(set(after[:places].tolist()) - set(before[:places].tolist()))
    assert (scored.rarity[came_up] > TAIL).sum() <= tail_places
    below = [item for item in after[places:].tolist() if item in before[places:]]
    assert below == [item for item in before[places:].tolist() if item in below]
    assert np.sort(found.scores) == pytest.approx(np.sort(scored.scores), rel=1e-5, abs=1e-5)


@given(NUMBERS, st.integers(0, 99), st.integers(1, 12), st.integers(0, 6), st.integers(0, 4))
def test_many_lists_are_ordered_as_each_of_them(
    scores: list[float], seed: int, places: int, moves: int, tail_places: int
) -> None:
    step, ordered = Exploration(places, moves, tail_places), np.sort(np.array(scores, np.float32))[::-1]
    rng, n = np.random.default_rng(seed), min(len(scores), places + moves)
    bonuses, rarity = rng.standard_normal((5, n)).astype(np.float32), rng.random(len(scores))
    orders = step.orders(ordered[:n] + bonuses, rarity[:n] > TAIL)
    for bonus, order in zip(bonuses, orders, strict=True):
        wish = np.pad(bonus, (0, len(scores) - n))
        after = step.apply(Scored(ordered, rarity.astype(np.float32), bonus=wish)).order
        assert after[:n].tolist() == order.tolist()
        assert after[n:].tolist() == list(range(n, len(scores)))


@given(st.permutations(range(6)), st.integers(0, 99), st.integers(1, 5))
def test_its_first_item_is_the_most_wished_of_those_that_may_come_first(
    scores: list[int], seed: int, moves: int
) -> None:
    scored = drawn([float(score) for score in scores], seed)
    before, after, _ = explored(Exploration(6, moves), scored)
    assert scored.bonus is not None
    wished = scored.scores + scored.bonus
    assert after[0] == max(before[: moves + 1].tolist(), key=lambda item: wished[item])


def test_without_bounds_it_orders_by_wish() -> None:
    for order in permutations(range(4)):
        bonus = 10 * np.array(order, np.float32)
        scored = Scored(np.arange(4, dtype=np.float32), np.zeros(4, np.float32), bonus=bonus)
        _, after, _ = explored(Exploration(4, 4), scored)
        assert after.tolist() == (-scored.scores - bonus).argsort().tolist()


def test_without_a_bonus_nothing_changes() -> None:
    scored = Scored(np.arange(4, dtype=np.float32), np.zeros(4, np.float32))
    assert Exploration().apply(scored) is scored


def test_its_part_is_noted_and_lists_of_a_batch_are_explored_alike() -> None:
    one, other = drawn([3, 2, 1, 0], 1), drawn([0, 5, 0, 5], 2)
    assert one.bonus is not None
    assert other.bonus is not None
    scores, bonus = np.stack([one.scores, other.scores]), np.stack([one.bonus, other.bonus])
    both = apply_all([Exploration()], Scored(scores, one.rarity, bonus=bonus))
    np.testing.assert_allclose(both.scores - scores, both.contributions["exploration"])
    alone = Exploration().apply(Scored(other.scores, one.rarity, bonus=other.bonus))
    assert np.array_equal(both.scores[1], alone.scores)


def test_it_can_be_described_and_refuses_what_makes_no_sense() -> None:
    assert from_description(described([Exploration(7, 2, 1)])) == (Exploration(7, 2, 1),)
    for settings in ({"places": 0}, {"moves": -1}, {"tail_places": -1}):
        with pytest.raises(RequestError, match=f"{next(iter(settings))} must be at least"):
            Exploration(**settings)
