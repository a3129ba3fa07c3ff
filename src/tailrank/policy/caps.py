"""Not too much of one category, brand or seller in a row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from tailrank.bounds import check_bounds
from tailrank.policy.base import Listing, Scored
from tailrank.policy.shortlist import Places, shortlist
from tailrank.policy.values import Categories, categories


@dataclass(frozen=True)
class Cap:
    """Lets a category, or a provider, have so many of any neighbouring ranks, at most.

    Rank by rank the best item that fits is next; if none does, the best one. So the list changes as late as
    it can, and nothing is dropped. An item of several categories has to fit for each of them, and one of none
    always does.

    Attributes
    ----------
    column
        Of the items, that names their category or categories, brand or seller.
    most
        Ranks of any `window` that one of these may have.
    window
        Neighbouring ranks.
    places
        Ranks that are held to it, from the first.

    Raises
    ------
    RequestError
        On a setting out of its bounds; when it is applied, if items have no such column.
    """

    column: str
    most: Annotated[int, Meta(ge=1)] = 2
    window: Annotated[int, Meta(ge=2)] = 5
    places: Places = 10

    name: ClassVar[str] = "cap"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def check(self, listing: Listing) -> None:
        """Check that items have the column."""
        listing.attribute(self.column, categories)

    def apply(self, scored: Scored) -> Scored:
        """Move what doesn't fit down, as little as will do."""
        values = scored.listing_for(self.name).attribute(self.column, categories)
        best = shortlist(scored, self.places)
        chosen = self._chosen(values[best].tolist())
        return scored.reordered(self.name, best[chosen])

    def _chosen(self, items: list[Categories]) -> list[int]:
        """Choose items, given by their categories in the order of their scores, for the first ranks."""
        chosen, counts, waiting = list[int](), defaultdict[str, int](int), list(range(len(items)))
        for rank in range(min(self.places, len(items))):
            for each in items[chosen[rank - self.window]] if rank >= self.window else ():
                counts[each] -= 1
            fitting = (at for at in waiting if all(counts[each] < self.most for each in items[at]))
            best = next(fitting, waiting[0])
            chosen.append(best)
            waiting.remove(best)
            for each in items[best]:
                counts[each] += 1
        return chosen
