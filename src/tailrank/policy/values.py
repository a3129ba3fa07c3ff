"""What the data say of items, as policies compare it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from functools import lru_cache
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import polars as pl

from tailrank.arrays import Seconds
from tailrank.bounds import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP
from tailrank.data.values import UNITS, to_seconds

T = TypeVar("T")

Categories: TypeAlias = tuple[str, ...]
"""The categories of one item, such as its genres or its only seller; none if nothing is said."""

CACHED: Final = 2**16
"""Values of which it is remembered how they were read: the same items are asked about time and again."""


def categories(values: Iterable[object]) -> list[Categories]:
    """Read a column of texts, numbers or lists of them as the categories of each item.

    Parameters
    ----------
    values
        One an item: a list of categories, the only one, or None.

    Returns
    -------
    list[Categories]
        Of each item, distinct ones in the order in which they are given. Numbers are written as text; what
        is empty, or an object, is no category.

    Examples
    --------
    >>> categories([["Drama", "War", "Drama"], "Comedy", 1984, None, ""])
    [('Drama', 'War'), ('Comedy',), ('1984',), (), ()]
    """
    return _each(_categories_of, values, ())


@lru_cache(maxsize=CACHED, typed=True)
def _categories_of(value: object) -> Categories:
    parts = value if isinstance(value, tuple) else (value,)
    return tuple(dict.fromkeys(str(part) for part in parts if part is not None and part != ""))


def seconds(values: Iterable[object]) -> Seconds:
    """Read a column of times as seconds since 1970, shape (items,); minus infinity where nothing is said.

    Raises
    ------
    ValueError
        If one is a year, a month or a day of a spreadsheet.

    Examples
    --------
    >>> seconds(["1970-01-02", 86_400, None, "soon"]).tolist()
    [86400.0, 86400.0, -inf, -inf]
    """
    return np.array(_each(_seconds_of, values, -inf), np.float64)


@lru_cache(maxsize=CACHED)
def _seconds_of(value: object) -> float:
    """Read one time: the usual forms at once, others as a column of one, which takes much longer."""
    if isinstance(value, str) and value[4:5] == "-":
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float):
        found = value / next((units for least, units in reversed(UNITS) if value >= least), 1.0)
        if EARLIEST_TIMESTAMP <= found <= LATEST_TIMESTAMP:
            return found
    read = None if value is None else to_seconds(pl.Series([value], strict=False))
    return -inf if read is None or read[0] is None else float(read[0])


def _each(read: Callable[[Any], T], values: Iterable[Any], otherwise: T) -> list[T]:
    """Read values by a cache; what can't be looked up, such as an object, says nothing."""
    given = [*values]
    try:
        return [*map(read, given)]
    except TypeError:
        return [_one(read, tuple(value) if isinstance(value, list) else value, otherwise) for value in given]


def _one(read: Callable[[Any], T], value: Any, otherwise: T) -> T:
    try:
        hash(value)
    except TypeError:
        return otherwise
    return read(value)
