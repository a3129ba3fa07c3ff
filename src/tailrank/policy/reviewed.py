"""Items that people should see first, or have rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np

from tailrank.policy.base import Scored

Reasons: TypeAlias = Mapping[str, str]
"""Why an item is in no list, by market; the empty name stands for those that aren't named, and an empty
reason, or none, lets it stay."""


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

    blocked: Mapping[str, Reasons] = field(repr=False)

    name: ClassVar[str] = "reviewed"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        """Take what must not be shown."""
        listing = scored.listing_for(self.name)
        if self.blocked.keys().isdisjoint(listing.ids):
            return scored
        market = str(listing.context.get("market") or "")
        for at, item in enumerate(listing.ids):
            reasons = self.blocked.get(item, {})
            if reason := reasons.get(market, reasons.get("", "")):
                which = np.zeros(len(listing.ids), bool)
                which[at] = True
                scored = scored.without(reason, which)
        return scored
