"""Items that the user has taken already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Scored
from tailrank.policy.conditions import columns_of, met

DAY: Final = 86_400


def as_types(events: object) -> tuple[str, ...]:
    """Check a setting that lists event types.

    Raises
    ------
    RequestError
        If it is something else.
    """
    if not isinstance(events, list | tuple) or not all(isinstance(each, str) for each in events):
        raise RequestError(f"events must be a list of event types, not {events!r}")
    return tuple(events)


@dataclass(frozen=True)
class AlreadyTaken:
    """Takes items from the list that are in the user's history.

    Attributes
    ----------
    events
        Types of the events that count, such as `("purchase",)`; none stands for all.
    after_days
        Days after which an item may come again; None for never. An event without a time counts as one of now.
    unless
        Condition on items that may always come again, such as what is used up: see `conditions`.

    Raises
    ------
    RequestError
        On a setting of another type, out of its bounds, or a condition that is none.
    """

    events: Sequence[str] = ()
    after_days: Annotated[float, Meta(gt=0)] | None = None
    unless: str | None = None

    name: ClassVar[str] = "already-taken"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        object.__setattr__(self, "events", as_types(self.events))
        if self.unless is not None:
            columns_of(self.unless)

    def check(self, listing: Listing) -> None:
        """Check that the condition fits the items.

        Raises
        ------
        RequestError
            If it doesn't.
        """
        if self.unless is not None:
            listing.derived(f"meets {self.unless}", met(self.unless))

    def apply(self, scored: Scored) -> Scored:
        """Take what the user has."""
        listing = scored.listing_for(self.name)
        taken = self._taken(listing)
        if taken.isdisjoint(listing.ids):
            return scored
        which = np.fromiter((item in taken for item in listing.ids), bool, len(listing.ids))
        if self.unless is not None:
            which &= ~listing.derived(f"meets {self.unless}", met(self.unless))
        return scored.without("already taken", which)

    def _taken(self, listing: Listing) -> set[str]:
        since = -math.inf if self.after_days is None else listing.now - DAY * self.after_days
        return {
            item
            for item, kind, at in zip(listing.history, listing.types, listing.times, strict=True)
            if (not self.events or kind in self.events) and (at == -math.inf or at > since)
        }
