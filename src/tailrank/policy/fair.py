"""A floor for a protected group in every first part of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from tailrank.arrays import Bools, Offsets
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Scored
from tailrank.policy.fair_table import adjusted_table
from tailrank.policy.shortlist import Places
from tailrank.policy.values import categories


@dataclass(frozen=True)
class Fair:
    """Gives items of a protected group as many of the first ranks as chance would, at least: FA*IR.

    Rank by rank the best item is next, or the best protected one if there would be fewer of them than
    `fair_table.adjusted_table` asks for (Zehlike et al., CIKM 2017, algorithm 2). If the list has no more of
    them, the others follow: nothing fails, and nothing is dropped.

    Attributes
    ----------
    column
        Of the items, that says which group they are of, such as their seller.
    protected
        Value or values of the column that are protected.
    share
        Of the ranks, that the group should have.
    alpha
        Probability that a list in which each rank goes to the group by that chance would be changed, at most.
        A lower one lets the group fall further behind.
    places
        Ranks that are held to it, from the first.

    Raises
    ------
    RequestError
        On a setting out of its bounds; when it is applied, if items have no such column.
    """

    column: str
    protected: str | Sequence[str]
    share: Annotated[float, Meta(gt=0, lt=1)]
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    places: Places = 10

    name: ClassVar[str] = "fair"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        named = [self.protected] if isinstance(self.protected, str) else self.protected
        if not isinstance(named, list | tuple) or not named or not all(isinstance(x, str) for x in named):
            raise RequestError(f"protected must be a value of `{self.column}`, or a list, not {named!r}")
        object.__setattr__(self, "protected", tuple(named))

    def check(self, listing: Listing) -> None:
        """Check that items have the column."""
        listing.attribute(self.column, categories)

    def apply(self, scored: Scored) -> Scored:
        """Move protected items up, as few and as late as will do."""
        order = scored.order
        values = scored.listing_for(self.name).attribute(self.column, categories)[order].tolist()
        wanted = set(self.protected)
        protected = np.fromiter((not wanted.isdisjoint(each) for each in values), bool, len(values))
        return scored.reordered(self.name, order[self._top(protected)])

    def _top(self, protected: Bools) -> Offsets:
        """Choose candidates, given in their order, for the first ranks."""
        table = adjusted_table(self.places, self.share, self.alpha)[: len(protected)]
        waiting = protected.nonzero()[0].tolist()[::-1], (~protected).nonzero()[0].tolist()[::-1]
        top, count = list[int](), 0
        for least in table:
            group, others = waiting
            from_group = bool(group) and (count < least or not others or group[-1] < others[-1])
            top.append((group if from_group else others).pop())
            count += from_group
        return np.array(top, np.int64)
