"""Gorse's export as a data folder: items and feedback, as its dashboard and `/api/bulk` write them.

Gorse 0.5 writes JSON Lines, before that CSV (`master/rest.go`). The zero time of Go, year 1, is no time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Struct

from tailrank.data.columns import Columns
from tailrank.data.imports.files import Instant, iso_seconds, records
from tailrank.data.imports.tables import TIME, Catalogue, Imported, Rows, Schema, Value, plain
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent

T = TypeVar("T", bound=Struct)
Id = Annotated[str, Meta(min_length=1, max_length=400)]

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
"""Columns that a label can't take."""

NEVER: Final = Instant("nan")
_FEEDBACK: Final[Schema] = {
    Columns.USER: pl.String,
    Columns.ITEM: pl.String,
    Columns.EVENT: pl.String,
    Columns.TIMESTAMP: TIME,
    Columns.VALUE: pl.Float64,
}


class Item(Struct, frozen=True, rename="pascal"):
    """What Gorse knows of an item."""

    item_id: Id
    is_hidden: bool = False
    categories: list[str] | None = None
    timestamp: Instant = NEVER
    labels: Any = None
    comment: str = ""

    @property
    def values(self) -> dict[str, Value]:
        """Columns by name; labels that have names become columns of their own."""
        own = {
            "categories": self.categories,
            "description": self.comment or None,
            "is_hidden": self.is_hidden,
        }
        added = {} if math.isnan(self.timestamp) else {Columns.TIMESTAMP: self.timestamp}
        labels = {f"{LABELS}.{name}" if name in OWN else name: each for name, each in _flat(self.labels)}
        return plain((own | added | labels).items())


class Feedback(Struct, frozen=True, rename="pascal"):
    """What someone did with an item."""

    feedback_type: Annotated[str, Meta(min_length=1, max_length=100)]
    user_id: Id
    item_id: Id
    timestamp: Instant = NEVER
    value: float | None = None

    def __post_init__(self) -> None:
        if not math.isnan(self.timestamp):
            Instant.of(self.timestamp)


def read(source: Path, progress: Progress = silent) -> Imported:
    """Read a folder with Gorse's items and feedback.

    Raises
    ------
    DataError
        Where one of the two is missing, or a record isn't what Gorse writes.
    """
    described, given = _find(source, "items"), _find(source, "feedback")
    catalogue, feedback = Catalogue(), Rows(_FEEDBACK)
    for item in records([described], _decoder(Item), progress, _of_row(Item)):
        catalogue.put(item.item_id, item.values)
    for row in records([given], _decoder(Feedback), progress, _of_row(Feedback)):
        when = None if math.isnan(row.timestamp) else round(row.timestamp * 1e6)
        feedback.append(row.user_id, row.item_id, row.feedback_type, when, row.value)
    every = feedback.frame()
    timed = every.filter(pl.col(Columns.TIMESTAMP).is_not_null())
    events = timed.drop(Columns.VALUE) if timed[Columns.VALUE].is_null().all() else timed
    return Imported.of(catalogue.frame(), events, None, {"feedback without a time": len(every) - len(timed)})


def _find(source: Path, name: str) -> Path:
    """Find the one file of an export that holds a table."""
    found = [path for suffix in SUFFIXES if (path := source / f"{name}{suffix}").is_file()]
    if len(found) != 1:
        there = " and ".join(path.name for path in found) or f"no {name} file"
        names = ", ".join(name + suffix for suffix in SUFFIXES[:3])
        raise DataError(f"{source}: {there}. Give a folder with one of {names} (or .gz).")
    return found[0]


def _flat(labels: object) -> Iterator[tuple[str, object]]:
    """Name the values of nested labels by their path; labels without names are called `labels`."""
    left = [("", labels)]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            inner = ((f"{name}.{key}" if name else str(key), each) for key, each in value.items())
            left += reversed(list(inner))
        elif value is not None:
            yield name or LABELS, value


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind, dec_hook=_time)


def _of_row(kind: type[T]) -> Callable[[dict[str, str]], T]:
    """Make the reader of a row of CSV."""

    def read_row(row: dict[str, str]) -> T:
        named: dict[str, Any] = {HEADERS.get(name, name): cell for name, cell in row.items() if cell}
        if "Categories" in named:
            named["Categories"] = named["Categories"].split("|")
        if "Labels" in named:
            named["Labels"] = _labels(named["Labels"])
        return msgspec.convert(named, kind, strict=False, dec_hook=_time)

    return read_row


def _labels(text: str) -> object:
    """Read the labels of a row of CSV: JSON, or before Gorse 0.4 words between bars."""
    return msgspec.json.decode(text) if text[0] in '[{"' or text == "null" else text.split("|")


def _time(kind: type, value: object) -> Instant:
    """Read a time as Go writes it: `2020-01-01T01:01:01Z`, in CSV `2020-01-01 01:01:01 +0000 UTC`."""
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    if value.startswith("0001-"):
        return NEVER
    date, *rest = value.split(" ")
    return Instant(iso_seconds("T".join([date, "".join(rest[:2])]) if rest else date))
