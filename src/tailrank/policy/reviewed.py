"""Items that people should see first, or have rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from tailrank.policy.base import Scored


class Blocked(NamedTuple):
    """Why an item is in no list.

    Attributes
    ----------
    reason
        In words.
    markets
        Whether that holds, by market; the empty name stands for those that aren't named, and no name at all
        for every market.
    """

    reason: str
    markets: Mapping[str, bool] = {}

    def counts_in(self, market: str) -> bool:
        """Whether it holds in a market."""
        return not self.markets or self.markets.get(market, self.markets.get("", True))


@dataclass(frozen=True)
class Reviewed:
    """Takes items from the list that are held for review, or were rejected.

    The market is what the request's context calls `market`. Whoever serves the model sets this step, before
    all others; no request and no file can.

    Attributes
    ----------
    blocked
        Why items are in no list, by id.
    """

    blocked: Mapping[str, Blocked] = field(repr=False)

    name: ClassVar[str] = "reviewed"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        """Take what must not be shown."""
        listing = scored.listing_for(self.name)
        if self.blocked.keys().isdisjoint(listing.ids):
            return scored
        market = str(listing.context.get("market") or "")
        for at, item in enumerate(listing.ids):
            found = self.blocked.get(item)
            if found is not None and found.counts_in(market):
                which = np.zeros(len(listing.ids), bool)
                which[at] = True
                scored = scored.without(found.reason, which)
        return scored
