"""How lists lie in a table with a row an item: which rows are a list, and in which order."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl

from tailrank.arrays import Doubles, Offsets
from tailrank.data.columns import Columns
from tailrank.data.histories import flat_offsets
from tailrank.data.schema import Check, raise_failures

_KEYS: Final = ((Columns.RANKING,), (Columns.QUERY,), (Columns.USER, Columns.TIMESTAMP))


def list_key(columns: Container[str]) -> tuple[str, ...]:
    """Name the columns that tell lists apart: `ranking_id`, `query`, or else user and, if known, time.

    Examples
    --------
    >>> list_key(["user_id", "item_id", "timestamp"])
    ('user_id', 'timestamp')
    """
    return next((key for key in _KEYS if all(name in columns for name in key)), (Columns.USER,))


def position_check(table: pl.DataFrame, key: Sequence[str]) -> Check:
    """Check that no two items of a list are at one position.

    Parameters
    ----------
    table
        With a `position`.
    key
        Columns that tell lists apart.
    """
    twice = table.select(*key, Columns.POSITION).is_duplicated()
    remedy = "Give every item of a list a position of its own."
    if key[0] != Columns.RANKING:
        remedy += f" Several lists with the same {' and '.join(key)} need a {Columns.RANKING}."
    return Check.from_mask("two items at one position", twice, table[key[0]], remedy)


@dataclass(frozen=True)
class ListRows:
    """The rows of a table, list by list.

    Attributes
    ----------
    rows
        Row numbers, list by list as these begin in the table, each in its own order; shape (rows,).
    offsets
        List `n` is `rows[offsets[n]:offsets[n + 1]]`; shape (lists + 1,).
    order
        What the order within lists is by.
    """

    rows: Offsets
    offsets: Offsets
    order: str

    @classmethod
    def find(cls, table: pl.DataFrame, scores: Sequence[str], name: str) -> Self:
        """Tell the lists of a parsed table apart, each in its order.

        That is the order of `position`; else, if there is one column of scores, of these, an item without one
        last; else of the table.

        Parameters
        ----------
        table
            With the columns of `list_key`.
        scores
            Names of the columns with scores.
        name
            Of the table, for messages.

        Raises
        ------
        DataError
            If users or times differ within a list.
        """
        key = list_key(table.columns)
        raise_failures(_consistent(table, key), name)
        numbered = table.select(*key, row=pl.int_range(pl.len()))
        first = numbered.select(pl.col("row").min().over(key)).to_series().to_numpy()
        order, places = _places(table, scores)
        lengths = np.bincount(first, minlength=len(first))
        return cls(np.lexsort((places, first)), flat_offsets(lengths[lengths > 0]), order)


def _places(table: pl.DataFrame, scores: Sequence[str]) -> tuple[str, Doubles]:
    """Give what ascends within each list, shape (rows,), and say what that is."""
    if Columns.POSITION in table.columns:
        return "their position", table[Columns.POSITION].cast(pl.Float64).to_numpy()
    if len(scores) == 1:
        values = table[scores[0]].cast(pl.Float64).fill_null(np.nan).fill_nan(-np.inf)
        return f"the scores of {scores[0]}", -values.to_numpy()
    return "the rows of the table", np.arange(len(table), dtype=np.float64)


def _consistent(table: pl.DataFrame, key: Sequence[str]) -> list[Check]:
    """Check that a list is one user's, and of one moment."""
    checks = []
    for column in (Columns.USER, Columns.TIMESTAMP):
        if column in table.columns and column not in key:
            mixed = table.select(pl.col(column).n_unique().over(key) > 1).to_series()
            remedy = f"Give each list a {Columns.RANKING} of its own, and one {column}."
            checks.append(Check.from_mask(f"lists with several {column}", mixed, table[column], remedy))
    return checks
