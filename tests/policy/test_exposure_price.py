"""A price that is learned holds its target, or its cap, whatever comes."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.exposure_price import LOWEST, ExposurePrice, Spent

SPENT = st.builds(Spent, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))


@dataclass(frozen=True)
class Tailed:
    tail: np.ndarray


def requests(seed: int, n: int, tail_share: float) -> list[Scored]:
    """Lists of 60 in which what is in the tail scores less."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        tail = rng.random(60) < tail_share
        listing: Any = Tailed(tail)
        scores = (rng.normal(0, 1, 60) - 1.5 * tail).astype(np.float32)
        found.append(Scored(scores, np.zeros(60, np.float32), listing=listing))
    return found


def held(price: ExposurePrice, lists: list[Scored]) -> tuple[list[Spent], list[ExposurePrice]]:
    spending, prices = [], [price]
    for scored in lists:
        spent = Spent.between(scored, price.step.apply(scored), price.places)
        assert spent is not None
        price = price.after(spent)
        spending.append(spent)
        prices.append(price)
    return spending, prices


def test_the_share_is_held_as_traffic_shifts() -> None:
    lists = requests(0, 1_500, 0.3) + requests(1, 1_500, 0.8) + requests(2, 1_500, 0.5)
    spending, prices = held(ExposurePrice(target=0.4, max_loss=0.5), lists)
    shares = np.array([spent.share for spent in spending])
    plain = [np.mean(scored.listing.tail[scored.order[:10]]) for scored in lists]  # type: ignore[union-attr]
    assert np.mean(plain) < 0.35
    assert abs(shares.mean() - 0.4) < 0.01
    # What is missing over any requests in a row is what the price's logarithm moved, over the rate.
    for start, stop in ((0, 4_500), (1_000, 2_000), (1_400, 1_700)):
        moved = abs(prices[stop].asked - prices[start].asked) / prices[0].rate
        assert abs((0.4 - shares[start:stop]).sum()) == pytest.approx(moved, abs=1e-6)


def test_the_cap_comes_before_the_target() -> None:
    spending, prices = held(ExposurePrice(target=0.9, max_loss=0.03), requests(0, 3_000, 0.3))
    later = spending[500:]
    lost = sum(spent.loss for spent in later) / sum(spent.best for spent in later)
    assert lost == pytest.approx(0.03, abs=0.003)
    assert np.mean([spent.share for spent in later]) < 0.6
    assert prices[-1].allowed < prices[-1].asked <= prices[-1].allowed + 1


def test_a_target_that_is_met_anyway_costs_nothing() -> None:
    spending, prices = held(ExposurePrice(target=0.1), requests(0, 800, 0.8))
    assert prices[-1].asked == LOWEST
    assert sum(spent.loss for spent in spending[700:]) < 1e-4


@given(st.lists(SPENT, max_size=50), st.floats(0, 1), st.floats(0.001, 1), st.floats(0.01, 1))
def test_prices_stay_within_bounds(spending: list[Spent], target: float, loss: float, rate: float) -> None:
    price = ExposurePrice(target, loss, rate=rate)
    for spent in spending:
        price = price.after(spent)
        assert math.exp(LOWEST) * 0.999 <= price.step.price <= 1


def test_an_empty_list_teaches_nothing() -> None:
    [scored] = requests(0, 1, 0.5)
    empty = replace(scored, removed={"stock": np.ones(60, bool)})
    assert Spent.between(empty, ExposurePrice().step.apply(empty), 10) is None


def test_settings_out_of_bounds_are_refused() -> None:
    with pytest.raises(RequestError, match="max_loss must be above 0"):
        ExposurePrice(max_loss=0.0)
    with pytest.raises(RequestError, match="target must be at least 0 and at most 1"):
        ExposurePrice(target=30)
