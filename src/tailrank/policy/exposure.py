"""Places for the long tail, bought where a list loses least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from tailrank.arrays import Bools, Doubles, Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Scored
from tailrank.policy.shortlist import Places


def chances(scores: Floats) -> Doubles:
    """Read log-odds as each candidate's chance to be the chosen one: their softmax, as fusion learns them.

    Examples
    --------
    >>> chances(np.log(np.array([3.0, 1.0], np.float32))).round(2).tolist()
    [0.75, 0.25]
    """
    odds: Doubles = np.exp(scores - scores.max(initial=-np.inf), dtype=np.float64)
    odds /= odds.sum() or 1.0
    return odds


def discounts(places: int) -> Doubles:
    """Weigh ranks as ndcg does: 1 / log2(1 + rank), shape (places,)."""
    weights: Doubles = 1 / np.log2(np.arange(2, places + 2))
    return weights


@dataclass(frozen=True)
class Exposure:
    """Lets tail items into the first places as long as one more costs less expected ndcg than its price.

    With E(t) the expected ndcg of the best list that has t tail items in its places, the list is the one of
    the largest E(t) + price · t. Of all lists with as many tail items it is thus the best, and one price for
    all requests buys where it is cheapest: the primal step of dual mirror descent (Balseiro, Lu and Mirrokni,
    "The best of many worlds", Operations Research, 2023, algorithm 1), whose dual step is `ExposurePrice`.

    Attributes
    ----------
    price
        Expected ndcg that a list may lose for one more tail item; 0 changes nothing.
    places
        Ranks that count, from the first.
    target
        Share of the places, over all requests, that goes to tail items, in place of a price: a server learns
        that, as `ExposurePrice`. No single list can be made by a target.
    max_loss
        Share of expected ndcg, over all requests, that a target may cost.

    Raises
    ------
    RequestError
        On a setting out of its bounds, or a target beside a price.
    """

    price: Annotated[float, Meta(ge=0, le=1)] = 0.0
    places: Places = 10
    target: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_loss: Annotated[float, Meta(gt=0, le=1)] = 0.02

    name: ClassVar[str] = "exposure"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.target is not None and self.price:
            raise RequestError("exposure: a `target` has its price learned: leave out `price`, or `target`")

    def check(self, _: Listing) -> None:
        """Check that there is a price.

        Raises
        ------
        RequestError
            If there is a target, which only `tailrank serve` and `ExposureControl` hold.
        """
        if self.target is not None:
            raise RequestError(
                "exposure: a `target` is held over many requests, by `tailrank serve --policies FILE` or "
                "`ExposureControl`: here, give a `price`"
            )

    def apply(self, scored: Scored) -> Scored:
        """Exchange head items in the places for tail items below them."""
        if self.target is not None:
            self.check(scored.listing_for(self.name))
        order = scored.order
        if not self.price or not len(order):
            return scored
        tail = scored.listing_for(self.name).tail[order]
        top = self._top(chances(scored.scores[order]), tail)
        return scored if top is None else scored.reordered(self.name, order[top])

    def _top(self, found: Doubles, tail: Bools) -> Offsets | None:
        """Choose who is in the places, from the chances of ordered candidates; None if nothing moves."""
        places = min(self.places, len(found))
        top, weights = np.arange(places), discounts(places)
        leaving, coming = top[~tail[:places]][::-1], places + tail[places:].nonzero()[0]
        worth, moved = found[top] @ weights, None
        # E is concave, as the best list is a flow through a network: what is too dear once stays so.
        for head, other in zip(leaving, coming, strict=False):
            top = np.append(top[top != head], other)
            left = found[top] @ weights
            if worth - left >= self.price:
                break
            worth, moved = left, top
        return moved
