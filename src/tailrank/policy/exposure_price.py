"""The price of exposure, learned request by request, so that a share of the places goes to the tail."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Final, NamedTuple, Self

import numpy as np
from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.policy.base import Scored
from tailrank.policy.exposure import Exposure, chances, discounts
from tailrank.policy.shortlist import Places

LOWEST: Final = math.log(1e-6)
"""Logarithm of a price at which hardly anything is bought."""

START: Final = math.log(1e-3)
"""Of a price at which a tenth of the places or so changes hands."""

AHEAD: Final = 1.0
"""How far the one of the two logarithms that isn't in force may run ahead, lest it take long to come back."""


class Spent(NamedTuple):
    """What one list gave to the tail.

    Attributes
    ----------
    share
        Of its places, those with a tail item.
    loss
        Expected ndcg that it lost.
    best
        Expected ndcg that it would have had.
    """

    share: float
    loss: float
    best: float

    @classmethod
    def between(cls, given: Scored, shown: Scored, places: int) -> Self | None:
        """Compare one list before and after the step; None if it is empty."""
        before, after = given.order[:places], shown.order[:places]
        if not len(before):
            return None
        odds, weights = np.zeros(len(given.scores)), discounts(len(before))
        odds[given.order] = chances(given.scores[given.order])
        best, kept = float(odds[before] @ weights), float(odds[after] @ weights)
        tail = given.listing_for(Exposure.name).tail[after]
        return cls(float(tail.mean()), best - kept, best)


@dataclass(frozen=True)
class ExposurePrice:
    """A price for `Exposure` that follows a target, and a cap on what it may cost.

    Both are constraints on the mean over requests, and each has a dual variable, learned by mirror descent
    with the entropy as its mirror map (Balseiro, Lu and Mirrokni, "The best of many worlds", Operations
    Research, 2023, algorithm 1): the price that the target asks for grows by the factor
    exp(rate · (target - share)) after each request, the one that the cap allows by
    exp(rate · (best - loss / max_loss)). The lower one is in force, so that the cap comes first.

    As the logarithm moves by rate · shortfall, shortfalls add up to no more than it has moved, over the rate:
    while the target is in force, the mean share of n requests in a row is off by |log change| / (rate · n).

    Attributes
    ----------
    target
        Share of the places, over all requests, that goes to tail items.
    max_loss
        Share of expected ndcg, over all requests, that this may cost.
    places
        Ranks that count, from the first.
    rate
        How fast prices follow.
    asked, allowed
        Logarithms of the two prices.

    Raises
    ------
    RequestError
        On a setting out of its bounds.

    Examples
    --------
    >>> price = ExposurePrice(target=0.3)
    >>> price.after(Spent(share=0.1, loss=0.0, best=0.5)).step.price > price.step.price
    True
    """

    target: Annotated[float, Meta(ge=0, le=1)] = 0.3
    max_loss: Annotated[float, Meta(gt=0, le=1)] = 0.02
    places: Places = 10
    rate: Annotated[float, Meta(gt=0, le=1)] = 0.5
    asked: Annotated[float, Meta(ge=LOWEST, le=0)] = START
    allowed: Annotated[float, Meta(ge=LOWEST, le=0)] = START + AHEAD

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def step(self) -> Exposure:
        """The step at the price that is in force."""
        return Exposure(math.exp(min(self.asked, self.allowed)), self.places)

    def after(self, spent: Spent) -> Self:
        """Learn from one list that the step made."""
        asked = self.asked + self.rate * (self.target - spent.share)
        allowed = self.allowed + self.rate * (spent.best - spent.loss / self.max_loss)
        return replace(
            self,
            asked=min(max(asked, LOWEST), 0.0, max(allowed, LOWEST) + AHEAD),
            allowed=min(max(allowed, LOWEST), 0.0, max(asked, LOWEST) + AHEAD),
        )
