"""Tables of a data folder, collected record by record and written whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from tailrank.data.columns import Columns
from tailrank.errors import DataError
from tailrank.files import is_writable, written_folder

Value: TypeAlias = str | int | float | bool | list[str] | None

Schema: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]

BLOCK: Final = 10_000
"""Rows after which Python objects are packed into a table."""

EXACT_LIMIT: Final = 2**53
"""Whole numbers from here on aren't exact as doubles."""

TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Imported:
    """What an export held.

    Attributes
    ----------
    items, events, impressions
        As docs/data.md says; impressions are None if there are none.
    undescribed
        Number of items that events or impressions name and nothing describes.
    left_out
        Number of records that a data folder can't hold, by what they were.
    """

    items: pl.DataFrame
    events: pl.DataFrame
    impressions: pl.DataFrame | None
    undescribed: int
    left_out: Mapping[str, int]

    @classmethod
    def from_tables(
        cls,
        items: pl.DataFrame,
        events: pl.DataFrame,
        impressions: pl.DataFrame | None,
        left_out: Mapping[str, int],
    ) -> Imported:
        """Order events by time, and add the items that are only named."""
        named = [frame[Columns.ITEM] for frame in (events, impressions) if frame is not None]
        ids = pl.concat(named).unique(maintain_order=True)
        undescribed = ids.filter(~ids.is_in(items[Columns.ITEM].implode()))
        every = pl.concat([items, undescribed.to_frame()], how="diagonal")
        events = events.sort(Columns.TIMESTAMP, maintain_order=True)
        found = {what: n for what, n in left_out.items() if n}
        return cls(every, events, impressions, len(undescribed), found)

    def write(self, folder: Path) -> None:
        """Write a data folder, completely or not at all.

        Raises
        ------
        DataError
            If there are no events, or the folder holds something already or can't be written.
        """
        if not len(self.events):
            found = ", ".join(f"{n:,} {what}" for what, n in self.left_out.items()) or "nothing else"
            raise DataError(f"{folder}: no event to write; found {found}. Export what users did, too.")
        check_free(folder)
        try:
            with written_folder(folder) as new:
                self.items.write_parquet(new / "items.parquet")
                self.events.write_parquet(new / "events.parquet")
                if self.impressions is not None:
                    self.impressions.write_parquet(new / "impressions.parquet")
        except OSError as error:
            raise DataError(f"{folder}: can't be written ({error}). Choose another folder.") from None


def check_free(folder: Path) -> None:
    """Refuse a folder that holds something or can't be written to, before long work.

    Raises
    ------
    DataError
        If it does, is a file, or can't be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already. Remove it, or name a new folder.")
    if not is_writable(folder):
        raise DataError(f"{folder}: can't be written. Choose another folder.")


def without_empty(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Drop a column if it holds nothing."""
    return table.drop(column) if table[column].is_null().all() else table


class TableBuilder:
    """A table that is built row by row."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._rows: list[tuple[object, ...]] = []
        self._packed = [pl.DataFrame(schema=schema)]

    def append(self, *row: object) -> None:
        """Add a row, in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) == BLOCK:
            self._pack()

    def frame(self) -> pl.DataFrame:
        """Return all rows."""
        self._pack()
        return pl.concat(self._packed)

    def _pack(self) -> None:
        self._packed.append(pl.DataFrame(self._rows, schema=self._schema, orient="row"))
        self._rows.clear()


class ItemsBuilder:
    """A table of items that is built value by value, with the latest value of each."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, tuple[float, Value]]] = {}

    def put(self, item: str, values: Mapping[str, Value], time: float = 0.0) -> None:
        """Set values of an item from a time on; of equal times, the last call counts."""
        known = self._items.setdefault(item, {})
        for name, value in values.items():
            if name not in known or time >= known[name][0]:
                known[name] = (time, value)

    def frame(self) -> pl.DataFrame:
        """Return one row an item, in the order of the first calls."""
        names = dict.fromkeys(name for known in self._items.values() for name in known)
        missing = (0.0, None)
        columns = [
            to_series(name, [known.get(name, missing)[1] for known in self._items.values()]) for name in names
        ]
        return pl.DataFrame([pl.Series(Columns.ITEM, list(self._items), pl.String), *columns])


def column_values(fields: Iterable[tuple[str, object]]) -> dict[str, Value]:
    """Convert named values to what a column can hold: text, numbers, flags and lists of text, but no vector.

    Doubles that are whole become whole, because JSON doesn't tell 1999 from 1999.0.

    Examples
    --------
    >>> column_values([("year", 1999.0), ("tags", ["green", "loose"]), ("embedding", [0.5, 1.0])])
    {'year': 1999, 'tags': ['green', 'loose']}
    """
    return {name: _column_value(value) for name, value in fields if not _is_vector(value)}


def to_series(name: str, values: list[Value]) -> pl.Series:
    """Make a column of the narrowest type that holds all values; a text column always holds text.

    Examples
    --------
    >>> to_series("size", ["S", 38, None]).to_list(), to_series("title", [1984]).to_list()
    (['S', '38', None], ['1984'])
    >>> to_series("tags", ["tea", ["tea", "mug"]]).to_list()
    [['tea'], ['tea', 'mug']]
    """
    types = {type(value) for value in values if value is not None}
    if list in types:
        lists = [each if each is None or isinstance(each, list) else [_text(each)] for each in values]
        return pl.Series(name, lists, pl.List(pl.String))
    if name not in Columns.TEXT:
        if types == {bool}:
            return pl.Series(name, values, pl.Boolean)
        if types and types <= {int, float}:
            return pl.Series(name, values, pl.Float64 if float in types else pl.Int64, strict=False)
    return pl.Series(name, [None if each is None else _text(each) for each in values], pl.String)


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and any(type(each) in (int, float) for each in value)


def _column_value(value: object) -> Value:
    if isinstance(value, list):
        return [_text(each) for each in value if each is not None]
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_LIMIT:
        return int(value)
    if type(value) is int and abs(value) >= EXACT_LIMIT:
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else _text(value)


def _text(value: object) -> str:
    """Write a single value; flags as JSON does."""
    return str(value).lower() if isinstance(value, bool) else str(value)
