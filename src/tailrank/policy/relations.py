"""What must go with what, and what must not: constraints by relations between items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tailrank.bounds import check_bounds
from tailrank.policy.base import Listing, Scored


@dataclass(frozen=True)
class Requires:
    """Removes what needs an item that the user doesn't have, such as a lens for another camera.

    Attributes
    ----------
    relation
        Column of the items that lists what each goes with, one of which must be in the history; an item that
        lists nothing may always come. Triples between items are such columns, by the name of their relation.

    Raises
    ------
    RequestError
        If the relation isn't text, or, when ranking, if no item has such a column.
    """

    relation: str

    name: ClassVar[str] = "requires"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Remove what goes with nothing that the user had."""
        listing = scored.listing_for(self.name)
        had = set(listing.history)
        needed = listing.attribute(self.relation)
        lacking = np.array([bool(ids) and had.isdisjoint(_listed(ids)) for ids in needed], bool)
        return scored.without(f"{self.name} {self.relation}", lacking) if lacking.any() else scored


@dataclass(frozen=True)
class Excludes:
    """Removes what doesn't go with an item of the history, or with one that ranks above it.

    Attributes
    ----------
    relation
        Column of the items that lists what each doesn't go with; one of two need list the other.

    Raises
    ------
    RequestError
        As `Requires` does.
    """

    relation: str

    name: ClassVar[str] = "excludes"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Remove, from the best on, what conflicts with what is kept."""
        listing = scored.listing_for(self.name)
        listed = [set(_listed(ids)) for ids in listing.attribute(self.relation)]
        kept, forbidden = set(listing.history), _forbidden_by(listing, self.relation)
        conflicting = np.zeros(len(listed), bool)
        for at in scored.order.tolist():
            item = listing.ids[at]
            conflicting[at] = item in forbidden or not kept.isdisjoint(listed[at])
            if not conflicting[at]:
                kept.add(item)
                forbidden |= listed[at]
        reason = f"{self.name} {self.relation}"
        return scored.without(reason, conflicting) if conflicting.any() else scored


def _forbidden_by(listing: Listing, relation: str) -> set[str]:
    return {item for ids in listing.of_history(relation) for item in _listed(ids)}


def _listed(ids: object) -> list[str]:
    """Give the ids of a list, or of a text that is one id."""
    if isinstance(ids, list | tuple | np.ndarray):
        return [str(each) for each in ids if each is not None]
    return [] if ids is None else [str(ids)]
