"""Gorse's export as a data folder: items and feedback, as its dashboard and `/api/bulk` write them.

Gorse 0.5 writes JSON Lines, before that CSV (`master/rest.go`). The zero time of Go, year 1, is no time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Struct

from tailrank.data.columns import Columns
from tailrank.data.imports.records import EventType, Id, UnixTime, iso_seconds, read_records
from tailrank.data.imports.tables import (
    TIME,
    Imported,
    ItemsBuilder,
    Schema,
    TableBuilder,
    Value,
    column_values,
    without_empty,
)
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent

T = TypeVar("T", bound=Struct)

SUFFIXES: Final = (".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz")
HEADERS: Final = {
    "item_id": "ItemId",
    "user_id": "UserId",
    "feedback_type": "FeedbackType",
    "time_stamp": "Timestamp",
    "is_hidden": "IsHidden",
    "categories": "Categories",
    "labels": "Labels",
    "description": "Comment",
}
"""Columns of CSV and the names that they have in JSON."""

LABELS: Final = "labels"
OWN: Final = {Columns.ITEM, "categories", "description", "is_hidden", Columns.TIMESTAMP}
"""Names that no column of a label can have."""

NEVER: Final = UnixTime("nan")
_FEEDBACK: Final[Schema] = {
    Columns.USER: pl.String,
    Columns.ITEM: pl.String,
    Columns.EVENT: pl.String,
    Columns.TIMESTAMP: TIME,
    Columns.VALUE: pl.Float64,
}


class Item(Struct, frozen=True, rename="pascal"):
    """An item as Gorse describes it."""

    item_id: Id
    is_hidden: bool = False
    categories: list[str] | None = None
    timestamp: UnixTime = NEVER
    labels: Any = None
    comment: str = ""

    @property
    def values(self) -> dict[str, Value]:
        """Value of each column by its name; labels that have names become columns of their own."""
        own: dict[str, object] = {
            "categories": self.categories,
            "description": self.comment or None,
            "is_hidden": self.is_hidden,
        }
        if not math.isnan(self.timestamp):
            own[Columns.TIMESTAMP] = self.timestamp
        labels = {f"{LABELS}.{name}" if name in OWN else name: each for name, each in _flattened(self.labels)}
        return column_values((own | labels).items())


class Feedback(Struct, frozen=True, rename="pascal"):
    """What a user did with an item."""

    feedback_type: EventType
    user_id: Id
    item_id: Id
    timestamp: UnixTime = NEVER
    value: float | None = None

    def __post_init__(self) -> None:
        if not math.isnan(self.timestamp):
            UnixTime.from_number(self.timestamp)


def read(source: Path, progress: Progress = silent) -> Imported:
    """Read a folder with Gorse's items and feedback.

    Raises
    ------
    DataError
        If one of the two is missing, or a record isn't what Gorse writes.
    """
    items_file, feedback_file = _find(source, "items"), _find(source, "feedback")
    items, feedback = ItemsBuilder(), TableBuilder(_FEEDBACK)
    for item in _read(items_file, Item, progress):
        items.put(item.item_id, item.values)
    untimed = 0
    for row in _read(feedback_file, Feedback, progress):
        if math.isnan(row.timestamp):
            untimed += 1
        else:
            time = row.timestamp.microseconds
            feedback.append(row.user_id, row.item_id, row.feedback_type, time, row.value)
    events = without_empty(feedback.frame(), Columns.VALUE)
    return Imported.from_tables(items.frame(), events, None, {"feedback without a time": untimed})


def _find(source: Path, name: str) -> Path:
    """Find the one file of an export that holds a table."""
    found = [path for suffix in SUFFIXES if (path := source / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        present = " and ".join(path.name for path in found) or f"no {name} file"
        names = ", ".join(name + suffix for suffix in SUFFIXES[:3])
        raise DataError(f"{source}: {present}. Give a folder with one of {names} (or .gz).")
    return found[0]


def _flattened(labels: object) -> Iterator[tuple[str, object]]:
    """Name the values of nested labels by their path; labels without names are called `labels`."""
    left = [("", labels)]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            inner = ((f"{name}.{key}" if name else str(key), each) for key, each in value.items())
            left += reversed(list(inner))
        elif value is not None:
            yield name or LABELS, value


def _read(file: Path, record: type[T], progress: Progress) -> Iterator[T]:
    """Read a file of JSON or CSV as records."""

    def from_row(row: dict[str, str]) -> T:
        named: dict[str, Any] = {HEADERS.get(name, name): cell for name, cell in row.items() if cell}
        if "Categories" in named:
            named["Categories"] = named["Categories"].split("|")
        if text := named.get("Labels"):  # JSON, or before Gorse 0.4 words between bars
            is_json = text[0] in '[{"' or text == "null"
            named["Labels"] = msgspec.json.decode(text) if is_json else text.split("|")
        return msgspec.convert(named, record, strict=False, dec_hook=_time)

    return read_records([file], msgspec.json.Decoder(record, dec_hook=_time), progress, from_row)


def _time(_: type, value: object) -> UnixTime:
    """Read a time as Go writes it: `2020-01-01T01:01:01Z`, in CSV `2020-01-01 01:01:01 +0000 UTC`."""
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    if value.startswith(("0000-", "0001-")):  # in UTC, or in a zone west of it
        return NEVER
    date, *rest = value.split(" ")
    return UnixTime(iso_seconds("T".join([date, "".join(rest[:2])]) if rest else date))
