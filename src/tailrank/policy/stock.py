"""Items that are sold out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from tailrank.arrays import Bools
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Listing, Scored


@dataclass(frozen=True)
class Stock:
    """Takes items from the list that are sold out: those of which a column says 0, less or false.

    An item of which nothing is said stays.

    Attributes
    ----------
    column
        How many are left, or whether any are.

    Raises
    ------
    RequestError
        If the column's name is no text.
    """

    column: str = "stock"

    name: ClassVar[str] = "stock"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def check(self, listing: Listing) -> None:
        """Check that the column exists, and holds numbers or truths.

        Raises
        ------
        RequestError
            If it doesn't.
        """
        listing.derived(f"sold out by {self.column}", self._sold_out)

    def apply(self, scored: Scored) -> Scored:
        """Take what is sold out."""
        sold = scored.listing_for(self.name).derived(f"sold out by {self.column}", self._sold_out)
        return scored.without("sold out", sold) if sold.any() else scored

    def _sold_out(self, items: pl.DataFrame) -> Bools:
        if self.column not in items.columns:
            known = {name: name for name in items.columns}
            raise RequestError(
                f"stock: items have no column `{self.column}`: {instead_of(self.column, known)}"
            )
        left = items[self.column]
        if not (left.dtype.is_numeric() or left.dtype in (pl.Boolean, pl.Null)):
            raise RequestError(f"stock: column `{self.column}` must hold numbers, or true and false")
        sold: Bools = (left.cast(pl.Float64) <= 0).fill_null(False).to_numpy()
        return sold
