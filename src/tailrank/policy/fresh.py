"""A start for what is new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Floats, Seconds
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Scored
from tailrank.policy.values import seconds

DAY: Final = 86_400

SOME: Final = 100
"""Items that are looked at before any ranking."""


@dataclass(frozen=True)
class FreshBoost:
    """Raises the scores of new items, the less the older they are.

    Attributes
    ----------
    column
        Of the items, that says since when there are: seconds since 1970 or dates. Items for which it says
        nothing stay as they are.
    boost
        Log-odds that an item has more at that time, and before it.
    half_life
        Days after which it is half as much.

    Raises
    ------
    RequestError
        On a setting out of its bounds; when it is applied, if items have no such column, or it holds
        something else.
    """

    column: str
    boost: Annotated[float, Meta(ge=0)] = 1.0
    half_life: Annotated[float, Meta(gt=0)] = 30.0

    name: ClassVar[str] = "fresh"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def check(self, listing: Listing) -> None:
        """Check that items have the column, and that it holds times as far as some of them tell."""
        values = listing.attribute(self.column)[:SOME]
        given = [value for value in values if value is not None]
        if given and np.isinf(self._since(given)).all():
            raise RequestError(f"policy {self.name!r}: column `{self.column}` holds no times: {given[0]!r}")

    def apply(self, scored: Scored) -> Scored:
        """Add the boost."""
        if not self.boost:
            return scored
        listing = scored.listing_for(self.name)
        since = self._since(listing.attribute(self.column))
        days = np.maximum(listing.now - since, 0) / DAY
        boost: Floats = (self.boost * 0.5 ** (days / self.half_life)).astype(np.float32)
        return scored.plus(self.name, boost)

    def _since(self, values: Iterable[object]) -> Seconds:
        try:
            return seconds(values)
        except ValueError as wrong:
            raise RequestError(f"policy {self.name!r}: column `{self.column}` {wrong}") from None
