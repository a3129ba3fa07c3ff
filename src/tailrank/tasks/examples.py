"""`Examples`: texts with labels, read from a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Seconds
from tailrank.data.formats import read_file
from tailrank.data.values import to_seconds
from tailrank.errors import DataError, instead_of

MOST_PARTS: Final = 20
"""Parts that are named if the one that is sought isn't among them."""


@dataclass(frozen=True)
class ExampleColumns:
    """Which columns of a table hold what.

    Attributes
    ----------
    text
        What is read.
    label
        Its label, or a list of them; None if there is none to read.
    split
        Part that a row belongs to, such as `train` and `test`.
    entity
        Whose sentiment, or whatever else, the label is about; it stands in the text.
    time
        When it was written, in any form that events may have (docs/data.md).
    separator
        Stands between labels where several are written as one text, as in CSV.
    """

    text: str = "text"
    label: str | None = "label"
    split: str | None = None
    entity: str | None = None
    time: str | None = None
    separator: str | None = None


@dataclass(frozen=True)
class Examples:
    """Texts with labels.

    Attributes
    ----------
    texts
        None is blank.
    labels
        Of each text, in the order of the file; none if it has no label, or no column of them was read.
    split
        Part that each belongs to; None without such a column.
    entities
        What each label is about; None without such a column.
    seconds
        When each was written, since 1970, shape (texts,); None without such a column.
    rows
        Of the table that each was read from, from 1, shape (texts,); messages name them.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    split: tuple[str, ...] | None = None
    entities: tuple[str, ...] | None = None
    seconds: Seconds | None = None
    rows: Codes | None = None

    @classmethod
    def read(cls, path: Path, columns: ExampleColumns) -> Self:
        """Read a table: Parquet, CSV or JSON Lines, packed or not.

        Raises
        ------
        DataError
            If it can't be read, lacks a column, or a value is missing or of another type; with the row.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such file: give a table of texts and labels")
        named = {name for name in (columns.text, columns.label, columns.split, columns.entity) if name}
        frame, _ = read_file(path, None, {name.lower() for name in named})
        if not len(frame):
            raise DataError(f"{path}: no rows: give at least one")
        return cls.from_frame(frame, columns, str(path))

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, columns: ExampleColumns, source: str = "table") -> Self:
        """Take examples from a polars frame, which messages call `source`; raises as `read` does.

        Examples
        --------
        >>> frame = pl.DataFrame({"text": ["late again", "thanks"], "label": ["delay", "praise"]})
        >>> Examples.from_frame(frame, ExampleColumns()).labels
        (('delay',), ('praise',))
        """
        _check_columns(frame, columns, source)
        n = len(frame)
        return cls(
            _texts(frame, columns.text, source),
            ((),) * n if columns.label is None else _labels(frame, columns.label, columns.separator, source),
            None if columns.split is None else _texts(frame, columns.split, source),
            None if columns.entity is None else _texts(frame, columns.entity, source),
            None if columns.time is None else _seconds(frame, columns.time, source),
            np.arange(1, n + 1, dtype=np.int32),
        )

    def take(self, rows: Codes) -> Self:
        """Choose examples by their positions, shape (n,)."""
        at = rows.tolist()
        return type(self)(
            tuple(self.texts[row] for row in at),
            tuple(self.labels[row] for row in at),
            None if self.split is None else tuple(self.split[row] for row in at),
            None if self.entities is None else tuple(self.entities[row] for row in at),
            None if self.seconds is None else self.seconds[rows],
            None if self.rows is None else self.rows[rows],
        )

    def part(self, name: str) -> Self:
        """Choose the examples of one part of the split.

        Raises
        ------
        DataError
            If there is no such part.
        """
        rows = np.flatnonzero([each == name for each in self.split or ()]).astype(np.int32)
        if not len(rows):
            known = sorted(set(self.split or ()))
            if len(known) > MOST_PARTS:
                found = f"are {len(known):,} values, so it is no column of parts"
            else:
                found = f"is {', '.join(known) or 'no column of parts was read'}"
            raise DataError(f"no part {name!r} in the split: there {found}")
        return self.take(rows)

    def __len__(self) -> int:
        return len(self.texts)


def _check_columns(frame: pl.DataFrame, columns: ExampleColumns, source: str) -> None:
    for name in (columns.text, columns.label, columns.split, columns.entity, columns.time):
        if name is not None and name not in frame.columns:
            known = instead_of(name, {each: each for each in frame.columns})
            raise DataError(f"{source}: no column `{name}`; {known}")
    if frame[columns.text].dtype.is_numeric():  # numbers of items, say, which would be read as words
        raise DataError(f"{source}: column `{columns.text}` holds numbers: name the column that holds texts")


def _texts(frame: pl.DataFrame, name: str, source: str) -> tuple[str, ...]:
    column = frame[name]
    if column.dtype.is_nested() or column.dtype == pl.Binary:
        raise DataError(f"{source}: column `{name}` holds {column.dtype}: give one text a row")
    found = column.cast(pl.String).to_list()
    for number, text in enumerate(found, 1):
        if text is None or not text.strip():
            raise DataError(f"{source}, row {number}: `{name}` is empty: write it, or leave the row out")
    return tuple(found)


def _labels(
    frame: pl.DataFrame, name: str, separator: str | None, source: str
) -> tuple[tuple[str, ...], ...]:
    column = frame[name]
    is_list = column.dtype in (pl.List, pl.Array)
    inner = getattr(column.dtype, "inner", column.dtype)
    if inner.is_nested() or inner == pl.Binary:
        raise DataError(
            f"{source}: column `{name}` holds {column.dtype}: give a label, or a list of them, a row"
        )
    if is_list:
        return tuple(_stripped(row or ()) for row in column.cast(pl.List(pl.String)).to_list())
    texts = column.cast(pl.String).fill_null("").to_list()
    return tuple(_stripped([text] if separator is None else text.split(separator)) for text in texts)


def _stripped(names: Iterable[str | None]) -> tuple[str, ...]:
    """Give the names that aren't empty, each once."""
    return tuple(dict.fromkeys(name.strip() for name in names if name is not None and name.strip()))


def _seconds(frame: pl.DataFrame, name: str, source: str) -> Seconds:
    try:
        found = to_seconds(frame[name])
    except ValueError as why:
        raise DataError(f"{source}: column `{name}` {why}") from None
    if found is None:
        raise DataError(f"{source}: column `{name}` holds {frame[name].dtype}: give times (docs/data.md)")
    if found.null_count():
        row = found.is_null().arg_true()[0]
        raise DataError(
            f"{source}, row {row + 1}: `{name}` is {frame[name][row]!r}: give a time such as 2024-01-31T09:30"
        )
    return found.to_numpy().astype(np.float64)
