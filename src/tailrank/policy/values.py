"""What the data say of items, as policies compare it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Categories: TypeAlias = tuple[str, ...]
"""The categories of one item, such as its genres or its only seller; none if nothing is said."""


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
        is empty is no category.

    Examples
    --------
    >>> categories([["Drama", "War", "Drama"], "Comedy", 1984, None, ""])
    [('Drama', 'War'), ('Comedy',), ('1984',), (), ()]
    """
    return [_of_one(value) for value in values]


def _of_one(value: object) -> Categories:
    if isinstance(value, str):
        return (value,) if value else ()
    parts = value if isinstance(value, list | tuple) else (value,)
    return tuple(dict.fromkeys(str(part) for part in parts if part is not None and part != ""))
