"""More than one objective: margin, quality or any other number of an item beside what the user likes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from tailrank.arrays import Doubles
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.policy.base import Scored


def as_numbers(column: str, values: Iterable[object]) -> Doubles:
    """Read what items say in a column as numbers, shape (items,); NaN where nothing is said.

    Raises
    ------
    RequestError
        If it holds something else.
    """
    try:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError):
        raise RequestError(f"policy 'objective': column `{column}` holds no numbers") from None


@dataclass(frozen=True)
class Objective:
    """Adds a column of the items to their scores: weighted sums of standardised objectives.

    Each weight is a point of the Pareto front's convex part (Miettinen, "Nonlinear multiobjective
    optimization", 1998, section 3.1). The column is standardised within the list, so a weight says how many
    log-odds one standard deviation is worth, whatever its unit; an item without a number counts as the mean.

    Attributes
    ----------
    column
        Of numbers, such as `margin`; there may be several such steps.
    weight
        Log-odds for a standard deviation more; below 0, less of it is better.

    Raises
    ------
    RequestError
        On a weight out of bounds or, when ranking, if no item has such a column or it holds something else.
    """

    column: str
    weight: Annotated[float, Meta(ge=-10, le=10)]

    name: ClassVar[str] = "objective"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Add the weighted column, under its name."""
        numbers = as_numbers(self.column, scored.listing_for(self.name).attribute(self.column))
        counted = np.isfinite(numbers) & scored.left
        spread = numbers[counted].std() if counted.any() else 0.0
        if not spread:
            return scored
        apart = np.where(counted, (numbers - numbers[counted].mean()) / spread, 0)
        return scored.plus(f"{self.name} {self.column}", (self.weight * apart).astype(np.float32))
