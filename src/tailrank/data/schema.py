"""The contract of a data folder: which columns a table holds, and which values.

Readers, `Dataset.construct` and `validate` all apply these rules; the first two stop at the first
failure, the last lists them all.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl
from polars.exceptions import PanicException, PolarsError

from tailrank.data import values
from tailrank.data.columns import Columns
from tailrank.data.naming import as_options, guess_columns
from tailrank.errors import DataError

Status = Literal["PASS", "WARN", "FAIL"]
N_EXAMPLES: Final = 3
_CANONICAL: Final = (r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", "${1}-${2}-${3}-${4}-${5}")  # of a UUID

_DATETIMES: Final = (-62_135_596_800, 253_402_300_799)
"""First and last second that Python's own type holds: the infinity of databases is beyond."""


@dataclass(frozen=True)
class Check:
    """One rule and what breaks it.

    Attributes
    ----------
    name
        What was checked, named after the fault: "duplicate item_id".
    status
        PASS if nothing was found; a FAIL keeps the data from being loaded.
    count
        How many rows, columns, users or items break the rule.
    examples
        The first of them, with their rows (row 1 is the first record, not the header).
    remedy
        What to do about it.
    bad
        Which rows break the rule, shape (rows,); None if it isn't about rows.
    """

    name: str
    status: Status
    count: int
    examples: tuple[str, ...]
    remedy: str
    bad: pl.Series | None = field(default=None, repr=False, compare=False)

    @property
    def first_bad(self) -> int | None:
        """First row that fails, from 0; None if none does."""
        return self.bad.arg_max() if self.bad is not None and self.status == "FAIL" else None

    @property
    def told(self) -> str:
        """What was found, how often, the first of it, and the remedy."""
        return f"{self.name} ({self.count}): {', '.join(self.examples)}. {self.remedy}"

    @classmethod
    def from_faults(cls, name: str, faults: Iterable[str], remedy: str, status: Status = "FAIL") -> Check:
        """Make a check from the list of what breaks it."""
        faults = tuple(faults)
        return cls(name, status if faults else "PASS", len(faults), faults[:N_EXAMPLES], remedy)

    @classmethod
    def from_mask(
        cls, name: str, bad: pl.Series, shown: pl.Series, remedy: str, status: Status = "FAIL"
    ) -> Check:
        """Make a check from a mask of bad rows and the column to show, each of shape (rows,)."""
        first = bad.arg_true().head(N_EXAMPLES)
        values = shown.gather(first)
        if isinstance(values.dtype, pl.Date | pl.Datetime):
            seconds = values.dt.epoch("s")
            if not seconds.is_between(*_DATETIMES).all():
                values = seconds
        examples = (f"row {row + 1} has {value!r}" for row, value in zip(first, values, strict=True))
        count = int(bad.sum())
        return cls(name, status if count else "PASS", count, tuple(examples), remedy, bad.fill_null(False))


def raise_failures(checks: Iterable[Check], source: str) -> None:
    """Refuse a table that fails a check.

    Raises
    ------
    DataError
        With the first failure; `source` names the file or table.
    """
    for check in checks:
        if check.status == "FAIL":
            raise DataError(f"{source}: {check.told}")


@dataclass(frozen=True)
class ColumnType:
    """What a column holds.

    Attributes
    ----------
    description
        The values that it accepts, in words for the user.
    parse
        Converts a column to its canonical type, with null for each value that can't be read; None if
        the column's type can't be read at all. Raises ValueError if its values mean something else.
    optional
        Whether values may be missing.
    """

    description: str
    parse: Callable[[pl.Series], pl.Series | None]
    optional: bool = False


ID: Final = ColumnType("text or whole numbers, never empty", values.to_ids)
STORED_ID: Final = ColumnType(ID.description, values.to_stored_ids)
"""An id in a table that is kept: unlike the few of a request, these show how they are written."""

LABEL: Final = ColumnType("text", values.to_labels, optional=True)
TEXT: Final = ColumnType("text or lists of text", values.to_texts, optional=True)
TIME: Final = ColumnType(
    "seconds since 1970, dates or ISO-8601 text (one unit and format throughout)", values.to_seconds
)
INTEGER: Final = ColumnType("whole numbers", values.to_integers)
NUMBER: Final = ColumnType("finite numbers", values.to_numbers)
OPTIONAL_NUMBER: Final = ColumnType("finite numbers or nothing", values.to_numbers, optional=True)
BOOLEAN: Final = ColumnType("true or false, 1 or 0", values.to_booleans)


@dataclass(frozen=True)
class TableSchema:
    """Columns of one table of a data folder.

    Attributes
    ----------
    name
        Its file name without suffix.
    columns
        Types of the columns that tailrank reads; others are kept as they are.
    required
        Columns that must be there, as groups of which one suffices.
    unique
        Column whose values never repeat.
    """

    name: str
    columns: Mapping[str, ColumnType]
    required: tuple[tuple[str, ...], ...]
    unique: str | None = None


ITEMS: Final = TableSchema(
    "items",
    {Columns.ITEM: STORED_ID} | dict.fromkeys(Columns.TEXT, TEXT),
    required=((Columns.ITEM,),),
    unique=Columns.ITEM,
)
EVENTS: Final = TableSchema(
    "events",
    {
        Columns.USER: STORED_ID,
        Columns.ITEM: STORED_ID,
        Columns.TIMESTAMP: TIME,
        Columns.POSITION: INTEGER,
        Columns.ELAPSED: NUMBER,
        Columns.EVENT: LABEL,
        Columns.VALUE: OPTIONAL_NUMBER,
    },
    required=((Columns.USER,), (Columns.ITEM,), (Columns.TIMESTAMP, Columns.POSITION)),
)
IMPRESSIONS: Final = TableSchema(
    "impressions",
    {
        Columns.RANKING: STORED_ID,
        Columns.USER: STORED_ID,
        Columns.TIMESTAMP: TIME,
        Columns.ITEM: STORED_ID,
        Columns.POSITION: INTEGER,
        Columns.CLICKED: BOOLEAN,
        Columns.SCORE: OPTIONAL_NUMBER,
        Columns.PROPENSITY: OPTIONAL_NUMBER,
    },
    required=(
        *((Columns.RANKING,), (Columns.USER,), (Columns.TIMESTAMP,)),
        *((Columns.ITEM,), (Columns.POSITION,), (Columns.CLICKED,)),
    ),
)
TRIPLES: Final = TableSchema(
    "triples",
    {Columns.HEAD: STORED_ID, Columns.RELATION: STORED_ID, Columns.TAIL: STORED_ID},
    required=((Columns.HEAD,), (Columns.RELATION,), (Columns.TAIL,)),
)
"""What is known of items and of what they have to do with; an item goes by its `item_id`."""

TAUGHT: Final = TableSchema(
    "taught",
    {Columns.ITEM: STORED_ID, Columns.NEIGHBOUR: STORED_ID, Columns.SCORE: NUMBER, Columns.ORIGIN: LABEL},
    required=((Columns.ITEM,), (Columns.NEIGHBOUR,), (Columns.SCORE,)),
)
"""How well items go together, in either direction, as a teacher says that ranks nothing itself.

`origin` is the fingerprint of the events that it learned from.
"""

ALL_TABLES: Final = (ITEMS, EVENTS, IMPRESSIONS, TRIPLES, TAUGHT)
"""What a data folder may hold."""

LISTS: Final = TableSchema(
    "lists",
    {
        Columns.USER: STORED_ID,
        Columns.ITEM: STORED_ID,
        Columns.RANKING: STORED_ID,
        Columns.QUERY: STORED_ID,
        Columns.TIMESTAMP: TIME,
        Columns.POSITION: INTEGER,
        Columns.CLICKED: BOOLEAN,
        Columns.PROPENSITY: OPTIONAL_NUMBER,
    },
    required=((Columns.USER,), (Columns.ITEM,)),
)
"""Lists of candidates, a row an item; every other column is the score of one recommender."""


def parse_table(raw: pl.DataFrame, schema: TableSchema) -> tuple[pl.DataFrame, list[Check]]:
    """Convert the columns of a table to their canonical types, and check them.

    Returns
    -------
    tuple[pl.DataFrame, list[Check]]
        The table, with null for values that can't be read and without columns of a wrong type,
        and the checks of its columns and values.

    Examples
    --------
    >>> items, checks = parse_table(pl.DataFrame({"item_id": [7, 7], "title": ["Tea", "Coffee"]}), ITEMS)
    >>> items["item_id"].to_list()
    ['7', '7']
    >>> [check.name for check in checks if check.status == "FAIL"]
    ['duplicate item_id']
    """
    types = {name: type_ for name, type_ in schema.columns.items() if name in raw.columns}
    raw = raw.with_columns(_unpacked(raw[name]) for name in types)
    columns, wrong = {}, {}
    for name, type_ in types.items():
        try:
            column = type_.parse(raw[name])
        except ValueError as why:
            wrong[name] = f"{name} {why}"
            continue
        if column is not None:
            columns[name] = column
        else:
            wrong[name] = f"{name} is {raw[name].dtype} instead of {type_.description}"
    if schema.name == ITEMS.name:  # which a model keeps whole
        others = (name for name in raw.columns if name not in types and not _can_be_stored(raw[name]))
        wrong |= {
            name: f"{name} is {raw[name].dtype}, which no model can keep: leave it out" for name in others
        }
    missing = [group for group in schema.required if not set(group) & set(raw.columns)]
    checks = [
        Check.from_faults("missing columns", map(" or ".join, missing), _added(missing, raw.columns)),
        Check.from_faults("columns of a wrong type", wrong.values(), "Write these columns again."),
    ]
    for name, column in columns.items():
        bad = column.is_null() & raw[name].is_not_null() if types[name].optional else column.is_null()
        remedy = f"{name} holds {types[name].description}; correct or drop these rows."
        checks.append(Check.from_mask(f"missing or unreadable {name}", bad, raw[name], remedy))
    if schema.unique in columns:
        key = columns[schema.unique]
        again = ~key.is_first_distinct() & key.is_not_null()
        checks.append(Check.from_mask(f"duplicate {schema.unique}", again, key, "Keep one row for each."))
    return raw.drop(wrong).with_columns(columns.values()), checks


def _added(missing: list[tuple[str, ...]], present: list[str]) -> str:
    """Say what to do about missing columns: add them, or read others in their place."""
    guesses = guess_columns(present, (name for group in missing for name in group))
    remedy = f"Add them; the table has {', '.join(present) or 'no columns'}."
    return f"{remedy} If they are what it seems: {as_options(guesses)}." if guesses else remedy


def _unpacked(column: pl.Series) -> pl.Series:
    """Read text and UUIDs that are held as bytes, whole numbers as decimals, and lists as arrays."""
    if isinstance(column.dtype, pl.Array):
        return column.arr.to_list()
    if isinstance(column.dtype, pl.Decimal) and column.dtype.scale == 0:
        return column.cast(pl.Int128)
    if column.dtype != pl.Binary:
        return column
    try:
        text = column.cast(pl.String)
    except PolarsError:  # not UTF-8
        text = column
    is_text = text.dtype == pl.String and not text.str.contains(r"[\x00-\x1f]").any()
    if not is_text and (column.bin.size() == 16).all():
        return column.bin.encode("hex").str.replace(*_CANONICAL)
    return text


def _can_be_stored(column: pl.Series) -> bool:
    """Whether Parquet can hold a column: no Python objects, and no objects without any field."""
    if not (column.dtype.is_nested() or column.dtype == pl.Object):
        return True
    try:
        column.clear().to_frame().write_parquet(io.BytesIO())
    except (PolarsError, PanicException):
        return False
    return True
