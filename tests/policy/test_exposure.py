"""What exposure buys for the tail, against all lists that there could be."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.base import Scored, apply_all
from tailrank.policy.exposure import Exposure, chances

SCORES = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=9)
PRICE = st.floats(0, 0.3)


@dataclass(frozen=True)
class Tailed:
    """A listing that knows only which candidates are in the tail."""

    tail: np.ndarray


def scored_of(scores: list[float], tail: list[bool], removed: int | None = None) -> Scored:
    listing: Any = Tailed(np.array(tail, bool))
    scored = Scored(np.array(scores, np.float32), np.zeros(len(scores), np.float32), listing=listing)
    return scored if removed is None else scored.without("stock", np.arange(len(scores)) == removed)


def worth(scored: Scored, chosen: tuple[int, ...], price: float) -> float:
    """Expected ndcg of the best order of those in the places, and what their tail items are worth."""
    odds = np.exp(np.where(scored.left, scored.scores, -np.inf).astype(np.float64))
    best = sorted((odds[at] / odds.sum() for at in chosen), reverse=True)
    gain = sum(chance / np.log2(rank + 2) for rank, chance in enumerate(best))
    assert scored.listing is not None
    return float(gain + price * scored.listing.tail[list(chosen)].sum())


@given(SCORES, st.integers(0, 511), PRICE, st.integers(1, 5), st.none() | st.integers(0, 8))
def test_no_other_list_is_worth_more(
    scores: list[float], pattern: int, price: float, places: int, removed: int | None
) -> None:
    tail = [bool(pattern >> at & 1) for at in range(len(scores))]
    scored = scored_of(scores, tail, removed)
    shown = Exposure(price, places).apply(scored)
    left = np.flatnonzero(scored.left).tolist()
    assert sorted(shown.order.tolist()) == left
    top = tuple(shown.order[:places].tolist())
    best = max(worth(scored, each, price) for each in combinations(left, len(top)))
    assert worth(scored, top, price) == pytest.approx(best, abs=1e-9)
    # Within the places, and below them, the order by scores stays.
    for part in (shown.order[:places], shown.order[places:]):
        assert (np.diff(scored.scores[part]) <= 0).all()
    added = shown.contributions.get("exposure", np.zeros(1, np.float32))
    assert np.allclose(scored.scores + added, shown.scores, atol=1e-5)


@given(SCORES, st.integers(0, 511), PRICE, PRICE)
def test_a_higher_price_never_buys_less(scores: list[float], pattern: int, one: float, other: float) -> None:
    tail = np.array([bool(pattern >> at & 1) for at in range(len(scores))])
    scored = scored_of(scores, tail.tolist())
    low, high = (tail[Exposure(price, 4).apply(scored).order[:4]].sum() for price in sorted([one, other]))
    assert low <= high


def test_the_cheapest_head_item_makes_room() -> None:
    scored = scored_of([3.0, 2.0, 1.0, 0.9], [False, False, False, True])
    # Chances are .61, .22, .08 and .07: the exchange costs .08 / 2 - .07 / 2.
    cost = float((chances(scored.scores)[2] - chances(scored.scores)[3]) / 2)
    assert Exposure(cost * 1.01, 3).apply(scored).order.tolist() == [0, 1, 3, 2]
    assert Exposure(cost * 0.99, 3).apply(scored) is scored
    assert Exposure(0.0).apply(scored) is scored


def test_lists_of_a_batch_are_taken_one_by_one() -> None:
    scored = scored_of([3.0, 2.0, 1.0, 0.9], [False, False, False, True])
    batch = Scored(np.stack([scored.scores, scored.scores[::-1]]), scored.rarity, listing=scored.listing)
    shown = apply_all([Exposure(0.5, 3)], batch)
    assert [np.argsort(-row, kind="stable").tolist() for row in shown.scores] == [[0, 1, 3, 2], [3, 2, 1, 0]]


def test_what_it_needs_and_its_bounds_are_told() -> None:
    with pytest.raises(RequestError, match="policy 'exposure' looks at the list"):
        Exposure(0.1).apply(Scored(np.zeros(2, np.float32), np.zeros(2, np.float32)))
    with pytest.raises(RequestError, match="price must be at least 0 and at most 1"):
        Exposure(2.0)
    with pytest.raises(RequestError, match="places must be at least 1"):
        Exposure(0.1, 0)
