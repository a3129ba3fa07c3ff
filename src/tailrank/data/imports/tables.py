"""Tables of a data folder, collected record by record and written whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from tailrank.data.columns import Columns
from tailrank.errors import DataError
from tailrank.files import written_folder

Value: TypeAlias = str | int | float | bool | list[str] | None

Schema: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]

BLOCK: Final = 10_000
"""Rows after which Python objects are packed into a table."""

EXACT: Final = 2**53
"""Whole numbers from here on have no exact double."""

TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Imported:
    """What an export held.

    Attributes
    ----------
    items, events, impressions
        As docs/data.md says; impressions are None where there are none.
    bare
        Items that events or impressions name, and nothing describes.
    left_out
        Records that a data folder has no place for, by what they were.
    """

    items: pl.DataFrame
    events: pl.DataFrame
    impressions: pl.DataFrame | None
    bare: int
    left_out: Mapping[str, int]

    @classmethod
    def of(
        cls,
        items: pl.DataFrame,
        events: pl.DataFrame,
        impressions: pl.DataFrame | None,
        left_out: Mapping[str, int],
    ) -> Imported:
        """Order events by time, and add the items that are only named."""
        named = [frame[Columns.ITEM] for frame in (events, impressions) if frame is not None]
        every = pl.concat(named).unique(maintain_order=True)
        bare = every.filter(~every.is_in(items[Columns.ITEM].implode()))
        whole = pl.concat([items, bare.to_frame()], how="diagonal")
        found = {what: n for what, n in left_out.items() if n}
        return cls(whole, events.sort(Columns.TIMESTAMP, maintain_order=True), impressions, len(bare), found)

    def write(self, folder: Path) -> None:
        """Write a data folder, whole or not at all.

        Raises
        ------
        DataError
            Where there are no events, or the folder holds something already or can't be written.
        """
        if not len(self.events):
            left = ", ".join(f"{n:,} {what}" for what, n in self.left_out.items()) or "nothing else"
            raise DataError(f"{folder}: no event to write; found {left}. Export what people did, too.")
        check_free(folder)
        try:
            with written_folder(folder) as new:
                self.items.write_parquet(new / "items.parquet")
                self.events.write_parquet(new / "events.parquet")
                if self.impressions is not None:
                    self.impressions.write_parquet(new / "impressions.parquet")
        except OSError as error:
            raise DataError(f"{folder}: can't be written ({error}). Choose another place.") from None


def check_free(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises
    ------
    DataError
        Where it does, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already. Remove it, or name a new folder.")


class Rows:
    """Rows that become a table."""

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
        """Give all rows."""
        self._pack()
        return pl.concat(self._packed)

    def _pack(self) -> None:
        self._packed.append(pl.DataFrame(self._rows, schema=self._schema, orient="row"))
        self._rows.clear()


class Catalogue:
    """Items, with the latest value of each of their fields."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, tuple[float, Value]]] = {}

    def put(self, item: str, values: Mapping[str, Value], time: float = 0.0) -> None:
        """Say what is known of an item from a time on; of equal times, the last one counts."""
        known = self._items.setdefault(item, {})
        for name, value in values.items():
            if name not in known or time >= known[name][0]:
                known[name] = (time, value)

    def frame(self) -> pl.DataFrame:
        """Give one row an item, in the order of their coming."""
        names = dict.fromkeys(name for known in self._items.values() for name in known)
        missing = (0.0, None)
        columns = [
            column(name, [known.get(name, missing)[1] for known in self._items.values()]) for name in names
        ]
        return pl.DataFrame([pl.Series(Columns.ITEM, list(self._items), pl.String), *columns])


def plain(fields: Iterable[tuple[str, object]]) -> dict[str, Value]:
    """Keep what a column can hold: text, numbers, flags and lists of text, but no vector.

    Doubles that are whole become whole, because JSON doesn't tell 1999 from 1999.0.

    Examples
    --------
    >>> plain([("year", 1999.0), ("tags", ["green", "loose"]), ("embedding", [0.5, 1.0])])
    {'year': 1999, 'tags': ['green', 'loose']}
    """
    return {name: _plain(value) for name, value in fields if not _is_vector(value)}


def column(name: str, values: list[Value]) -> pl.Series:
    """Make a column of the narrowest type that holds all values; a text column always holds text.

    Examples
    --------
    >>> column("size", ["S", 38, None]).to_list(), column("title", [1984]).to_list()
    (['S', '38', None], ['1984'])
    >>> column("tags", ["tea", ["tea", "mug"]]).to_list()
    [['tea'], ['tea', 'mug']]
    """
    kinds = {type(value) for value in values if value is not None}
    if list in kinds:
        lists = [each if each is None or isinstance(each, list) else [_text(each)] for each in values]
        return pl.Series(name, lists, pl.List(pl.String))
    if name not in Columns.TEXT:
        if kinds == {bool}:
            return pl.Series(name, values, pl.Boolean)
        if kinds and kinds <= {int, float}:
            return pl.Series(name, values, pl.Float64 if float in kinds else pl.Int64, strict=False)
    return pl.Series(name, [None if each is None else _text(each) for each in values], pl.String)


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and any(type(each) in (int, float) for each in value)


def _plain(value: object) -> Value:
    if isinstance(value, list):
        return [_text(each) for each in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if type(value) is int and abs(value) >= EXACT:
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else _text(value)


def _text(value: object) -> str:
    """Write a single value; flags as JSON does."""
    return str(value).lower() if isinstance(value, bool) else str(value)
