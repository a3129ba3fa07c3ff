"""A start for what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Floats
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.values import seconds

DAY: Final = 86_400


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

    def apply(self, scored: Scored) -> Scored:
        """Add the boost."""
        if not self.boost:
            return scored
        listing = scored.listing_for(self.name)
        try:
            since = seconds(listing.attribute(self.column))
        except ValueError as wrong:
            raise RequestError(f"policy {self.name!r}: column `{self.column}` {wrong}") from None
        days = np.maximum(listing.now - since, 0) / DAY
        boost: Floats = np.nan_to_num(self.boost * 0.5 ** (days / self.half_life)).astype(np.float32)
        return scored.plus(self.name, boost)
