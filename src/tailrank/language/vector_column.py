"""Vectors in a column of items: of pictures or sounds, say, that something else has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import polars as pl

from tailrank.arrays import Doubles, Floats
from tailrank.data.columns import Columns
from tailrank.errors import DataError, instead_of

WIDEST: Final = 65_536
"""Numbers of a vector, at most."""

REMEDY: Final = "give each item a list of as many finite numbers, or nothing"


@dataclass(frozen=True)
class VectorColumn:
    """The column of items that a space is read from, so that the vector of a new item is looked for there.

    Attributes
    ----------
    name
        Of the column.
    encoder
        Folder of the encoder that reads the files which the column names; None if it holds the vectors.
    sha256
        Of that encoder; empty without one.
    """

    name: str
    encoder: str | None = None
    sha256: str = ""


def column_vectors(items: pl.DataFrame, column: str) -> Floats:
    """Read a column of vectors.

    Parameters
    ----------
    items
        One row an item.
    column
        Its name. It holds lists of numbers, or text that is such a list in JSON, as in CSV files.

    Returns
    -------
    Floats
        Shape (items, d), each scaled to length one; zero for an item without a vector.

    Raises
    ------
    DataError
        Naming the row of what is no vector, or as wide as none before; or if no item has any.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a", "b"], "picture": [[3.0, 4.0], None]})
    >>> column_vectors(items, "picture").round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    cells = _lists(items, named_column(items, column))
    lengths = cells.list.len().fill_null(0).to_numpy()
    (filled,) = lengths.nonzero()
    if not len(filled):
        raise DataError(f"items: no vector in the column `{column}`: {REMEDY}")
    width = int(lengths[filled[0]])
    if width > WIDEST:
        raise _no_vector(items, column, filled[0], f"has {width:,} numbers, more than {WIDEST:,}")
    for row in filled[lengths[filled] != width][:1]:
        raise _no_vector(items, column, row, f"has length {lengths[row]:,}, row {filled[0] + 1} {width:,}")
    numbers = cells.gather(filled).explode().cast(pl.Float64).to_numpy().reshape(len(filled), width)
    found = unit_rows(numbers)
    for at in np.flatnonzero(~np.isfinite(found).all(axis=1))[:1]:
        raise _no_vector(items, column, filled[at], "holds a number that is missing, too large or not finite")
    vectors = np.zeros((len(items), width), np.float32)
    vectors[filled] = found
    return vectors


def vector_of(value: object, width: int) -> Floats | None:
    """Read one vector, as JSON holds it; None unless it is a list of so many finite numbers.

    Examples
    --------
    >>> vector_of([0, 2.0], 2), vector_of([1.0], 2), vector_of("cat.png", 2)
    (array([0., 1.], dtype=float32), None, None)
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != width:
        return None
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
        return None
    try:
        [found] = unit_rows(np.array([value], np.float64))
    except OverflowError:  # of whole numbers that no float can hold
        return None
    return found if np.isfinite(found).all() else None


def named_column(items: pl.DataFrame, column: str) -> str:
    """Give back the name of a column that there is.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if column in items.columns and column != Columns.ITEM:
        return column
    others = {name: name for name in items.columns if name != Columns.ITEM}
    raise DataError(f"items have no column `{column}`: {instead_of(column, others)}")


def row_of(items: pl.DataFrame, row: int) -> str:
    """Name a row of items in messages."""
    return f"items row {row + 1} (item {items[Columns.ITEM][int(row)]!r})"


def _lists(items: pl.DataFrame, column: str) -> pl.Series:
    """Give the cells of a column as lists of numbers."""
    cells = items[column]
    if isinstance(cells.dtype, pl.Array):
        cells = cells.arr.to_list()
    if cells.dtype == pl.String:
        cells = pl.Series(column, list(_decoded(items, column)), pl.List(pl.Float64))
    inner = cells.dtype.inner if isinstance(cells.dtype, pl.List) else cells.dtype
    if not isinstance(cells.dtype, pl.List) or not (inner == pl.Null or inner.is_numeric()):
        raise DataError(
            f"items: the column `{column}` holds {cells.dtype}, no lists of numbers; of names of files, say "
            f"what reads them: `NAME={column}:ENCODER`"
        )
    return cells


def _decoded(items: pl.DataFrame, column: str) -> list[list[float] | None]:
    found: list[list[float] | None] = []
    for row, cell in enumerate(items[column]):
        try:
            found.append(None if not (cell or "").strip() else msgspec.json.decode(cell, type=list[float]))
        except (msgspec.DecodeError, RecursionError):
            hint = f"; of names of files, say what reads them: `NAME={column}:ENCODER`"
            raise _no_vector(items, column, row, f"holds {cell[:40]!r}, no list of numbers", hint) from None
    return found


def unit_rows(numbers: Doubles | Floats) -> Floats:
    """Scale rows to length one; zero ones stay zero, and what isn't finite stays so."""
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.abs(numbers).max(axis=1, keepdims=True)  # whose square may be no number
        scaled = numbers / np.where(largest > 0, largest, 1)
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        unit: Floats = (scaled / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _no_vector(items: pl.DataFrame, column: str, row: int, what: str, hint: str = "") -> DataError:
    return DataError(f"{row_of(items, row)}: `{column}` {what}: {REMEDY}{hint}")
