"""Groups of items, as a column of the data names them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Bools
from tailrank.errors import RequestError, instead_of
from tailrank.policy.values import categories

MOST: Final = 12
"""Groups that are told of, those with the most items."""


def item_groups(items: pl.DataFrame, column: str) -> dict[str, Bools]:
    """Mark the items of the largest groups, shape (items,) each, the largest first; groups may overlap.

    Raises
    ------
    RequestError
        If items have no such column, or it says nothing.

    Examples
    --------
    >>> groups = item_groups(pl.DataFrame({"brand": ["a", "b", "b", None]}), "brand")
    >>> {name: items.tolist() for name, items in groups.items()}
    {'b': [False, True, True, False], 'a': [True, False, False, False]}
    """
    if column not in items.columns:
        known = {name: name for name in items.columns}
        raise RequestError(f"--groups {column}: items have no such column: {instead_of(column, known)}")
    named = categories(items[column].to_list())
    largest = Counter(name for each in named for name in each).most_common(MOST)
    if not largest:
        raise RequestError(f"--groups {column}: the column says nothing of any item: name another")
    return {name: np.array([name in each for each in named]) for name, _ in largest}
