"""Lists of candidates that another system made: to judge their order by, and to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Doubles, Seconds
from tailrank.data.columns import Columns
from tailrank.data.frames import Frame, to_polars
from tailrank.data.list_rows import ListRows, list_key, position_check
from tailrank.data.readers import AS_IS, FOLDERS, SUFFIXES, find_table, read_table
from tailrank.data.reading import Reading
from tailrank.data.schema import IMPRESSIONS, LISTS, Check, parse_table, raise_failures
from tailrank.data.time_checks import moment_checks
from tailrank.errors import DataError
from tailrank.folders import kind_of

_LIST: Final = "tailrank list"


@dataclass(frozen=True)
class Lists:
    """Lists of candidates in the order of the system that made them.

    Attributes
    ----------
    name
        The file, or what a frame is called in messages.
    users
        Whom each list is for, shape (lists,).
    items
        Item ids of each list, the first one first.
    scores
        By the name of a recommender, its scores of each list; NaN where it gave none.
    clicked
        Which items of each list the user chose; None if that isn't known.
    times
        When each list was made, in seconds since 1970, shape (lists,); None if that isn't known.
    order
        What the order of the lists is by.
    doubts
        What may not be meant as it is in the table, each with its remedy.
    """

    name: str
    users: Sequence[str]
    items: Sequence[Sequence[str]]
    scores: Mapping[str, Sequence[Doubles]]
    clicked: Sequence[Bools] | None
    times: Seconds | None
    order: str
    doubts: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.users)

    @classmethod
    def read(cls, file: Path, reading: Reading = AS_IS) -> Lists:
        """Read a file, or a folder of part files, of lists (docs/own-lists.md).

        Raises
        ------
        DataError
            If it is missing or damaged, or as `from_frame` does.
        """
        if not file.name.endswith((*SUFFIXES, *FOLDERS)):
            raise DataError(f"{file}: give a file that ends in {', '.join(SUFFIXES)}.")
        if not file.exists():
            raise DataError(f"{file}: no such file. Give lists of candidates (docs/own-lists.md).")
        if (kind := kind_of(file)) is not None:
            raise DataError(f"{file} is a {kind}: give a file of lists of candidates (docs/own-lists.md).")
        return cls.from_frame(read_table(file, LISTS, reading), str(file))

    @classmethod
    def impressions(cls, folder: Path, reading: Reading = AS_IS) -> Lists:
        """Read the impressions of a data folder.

        Raises
        ------
        DataError
            If there are none, or they break the contract (docs/data.md).
        """
        file = find_table(folder, IMPRESSIONS.name)
        frame, checks = parse_table(read_table(file, IMPRESSIONS, reading), IMPRESSIONS)
        raise_failures(checks, str(file))
        return cls.from_frame(frame.select(set(IMPRESSIONS.columns) & set(frame.columns)), str(file))

    @classmethod
    def from_frame(cls, raw: Frame, name: str = "lists") -> Lists:
        """Take lists from a table with a row for each item of each list.

        Parameters
        ----------
        raw
            polars, pandas or Arrow: `user_id` and `item_id`; optionally `ranking_id` or `query`, which tell
            lists apart, `timestamp`, `position`, `clicked`, and any number of columns of scores, one a
            recommender. Which rows are a list, and their order, is as `ListRows.find` says. An item that
            occurs again in a list counts once, by its first place, as when ranking.
        name
            For messages.

        Raises
        ------
        DataError
            If the table breaks that contract, has times or users that differ within a list, or two items at
            one position of a list.
        """
        raw = to_polars(raw, name)
        frame, checks = parse_table(raw, LISTS)
        frame, empty = _without_empty(frame)
        scores = [column for column in frame.columns if column not in LISTS.columns]
        raise_failures([*checks, _numbers(frame, scores)], name)
        checks = [empty, *_list_checks(frame, raw)]
        raise_failures(checks, name)
        found = ListRows.find(frame, scores, name)
        numbers = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
        lists = _distinct(frame[found.rows].with_columns(pl.Series(_LIST, numbers)), scores)
        clicked, timed = (column in frame.columns for column in (Columns.CLICKED, Columns.TIMESTAMP))
        return cls(
            name,
            lists[Columns.USER].list.first().to_list(),
            lists[Columns.ITEM].to_list(),
            {column: [each.to_numpy() for each in lists[column]] for column in scores},
            [each.to_numpy() for each in lists[Columns.CLICKED]] if clicked else None,
            lists[Columns.TIMESTAMP].list.first().to_numpy() if timed else None,
            found.order,
            [check.told for check in checks if check.status == "WARN"],
        )


def _without_empty(frame: pl.DataFrame) -> tuple[pl.DataFrame, Check]:
    """Leave out the columns of recommenders that found none of the items: CSV takes them for text."""
    empty = [
        name
        for name in frame.columns
        if name not in LISTS.columns
        and (frame[name].fill_nan(None) if frame.schema[name].is_float() else frame[name]).is_null().all()
    ]
    remedy = "They are left out."
    return frame.drop(empty), Check.from_faults("columns without any score", empty, remedy, "WARN")


def _list_checks(frame: pl.DataFrame, raw: pl.DataFrame) -> Iterator[Check]:
    """Check times, and that a list has an item and a position once."""
    if Columns.TIMESTAMP in frame.columns:
        for check in moment_checks(frame[Columns.TIMESTAMP], raw[Columns.TIMESTAMP]):
            known = "Events before a list, by its time, are what a ranking of it may know."
            yield replace(check, remedy=f"{check.remedy} {known}")
    key = list_key(frame.columns)
    if Columns.POSITION in frame.columns:
        yield position_check(frame, key)
    again = ~frame.select(*key, Columns.ITEM).to_struct().is_first_distinct()
    remedy = "Each counts once, by its first place."
    yield Check.from_mask("items that are in their list again", again, frame[Columns.ITEM], remedy, "WARN")


def _numbers(frame: pl.DataFrame, scores: Sequence[str]) -> Check:
    """Check that what isn't of the contract is a recommender's scores: finite, or missing."""
    faults = filter(None, (_fault(frame[name]) for name in scores))
    known = ", ".join(LISTS.columns)
    return Check.from_faults(
        "columns that are no scores", faults, f"Leave them out, or call them by their names: {known}."
    )


def _fault(scores: pl.Series) -> str | None:
    """Say why a column holds no scores; None if it does."""
    if scores.dtype.is_numeric():
        infinite = scores.dtype.is_float() and scores.is_infinite().any()
        return f"{scores.name} holds infinity" if infinite else None
    if scores.dtype != pl.String:
        return f"{scores.name} is {scores.dtype}"
    words = ~scores.cast(pl.Float64, strict=False).is_finite().fill_null(False) & scores.is_not_null()
    row = words.arg_max() or 0
    return f"{scores.name} is {scores.dtype}, row {row + 1} has {scores[row]!r}"


def _distinct(rows: pl.DataFrame, scores: Sequence[str]) -> pl.DataFrame:
    """Gather the rows of each list, each item once; scores become NaN where there are none."""
    rows = rows.with_columns(pl.col(scores).cast(pl.Float64).fill_null(np.nan))
    listed = [_LIST, Columns.ITEM]
    if Columns.CLICKED in rows.columns:
        rows = rows.with_columns(pl.col(Columns.CLICKED).any().over(listed))
    distinct = rows.unique(listed, keep="first", maintain_order=True)
    return distinct.group_by(_LIST, maintain_order=True).agg(pl.all())
