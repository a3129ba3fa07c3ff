"""Items that the user was shown again and again, and left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Bools, Offsets
from tailrank.bounds import LISTS_SHOWN, SHOWN_HOURS, check_bounds
from tailrank.policy.base import Listing, Scored
from tailrank.policy.shortlist import Places
from tailrank.policy.taken import as_types
from tailrank.policy.values import categories

HOUR: Final = 3_600


@dataclass(frozen=True)
class AlreadyShown:
    """Takes or pushes items down that were shown often enough since the user last did something with them.

    What is left alone once may be chosen the next time; what is left alone time and again is chosen less and
    less (Lee, Lakshmanan, Tiwari and Shah, "Modeling impression discounting in large-scale recommender
    systems", KDD 2014).

    Attributes
    ----------
    times
        Showings from which on an item counts as left alone. Those before the user's latest event with it,
        whatever its type, don't count; an event without a time is later than all.
    hours
        Hours for which a showing counts.
    penalty
        Log-odds that an item loses by each showing from the `times`-th on; None takes it from the list.
    repeated
        Column of categories of which items stay if the user takes some of these repeatedly: if the history
        has two events with one item of the category. None makes no exception.
    events
        Types of events that count for `repeated`, such as `("purchase",)`; none stands for all.
    places
        Ranks of a list that count as shown, from the first, where a server notes what it shows.

    Raises
    ------
    RequestError
        On a setting of another type or out of its bounds.
    """

    times: Annotated[int, Meta(ge=1, le=LISTS_SHOWN)] = 3
    hours: Annotated[float, Meta(gt=0, le=SHOWN_HOURS)] = 24.0
    penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    repeated: str | None = None
    events: Sequence[str] = ()
    places: Places = 10

    name: ClassVar[str] = "already-shown"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        object.__setattr__(self, "events", as_types(self.events))

    def check(self, listing: Listing) -> None:
        """Check that items have the column.

        Raises
        ------
        RequestError
            If they don't.
        """
        if self.repeated is not None:
            listing.attribute(self.repeated, categories)

    def apply(self, scored: Scored) -> Scored:
        """Take what was left alone, or push it down."""
        listing = scored.listing_for(self.name)
        if not listing.shown:
            return scored
        counts = self._counts(listing)
        alone = counts >= self.times
        if self.repeated is not None and alone.any():
            alone &= ~self._excepted(listing, self.repeated)
        if not alone.any():
            return scored
        if self.penalty is None:
            return scored.without("already shown", alone)
        above = np.where(alone, counts - self.times + 1, 0)
        return scored.plus(self.name, (-self.penalty * above).astype(np.float32))

    def _counts(self, listing: Listing) -> Offsets:
        """Count showings of each candidate within the hours and since the user's latest event with it."""
        since = listing.now - HOUR * self.hours
        latest = dict[str, float]()
        for item, at in zip(listing.history, listing.times, strict=True):
            latest[item] = max(latest.get(item, -inf), inf if at == -inf else at)
        shown = ((listing.shown.get(item, ()), max(since, latest.get(item, -inf))) for item in listing.ids)
        counts = (sum(at > after for at in times) for times, after in shown)
        return np.fromiter(counts, np.int64, len(listing.ids))

    def _excepted(self, listing: Listing, column: str) -> Bools:
        """Say which candidates are of a category that the user takes repeatedly."""
        counted = Counter(
            item
            for item, kind in zip(listing.history, listing.types, strict=True)
            if not self.events or kind in self.events
        )
        of_history = listing.of_history(column, categories)
        again = {
            category
            for item, its in zip(listing.history, of_history, strict=True)
            if counted[item] > 1
            for category in its
        }
        of_candidates = listing.attribute(column, categories)
        return np.array([not again.isdisjoint(its) for its in of_candidates], bool)
