"""The contract of a data folder: which columns a table holds and which values they take.

Readers, `Dataset.construct` and `validate` all apply these rules; the first two stop at the first
failure, the last lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from tailrank.data import values
from tailrank.data.columns import Columns
from tailrank.errors import DataError

Status = Literal["PASS", "WARN", "FAIL"]
N_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Check:
    """One rule and what breaks it.

    Attributes
    ----------
    name
        What was looked for, in the words of the fault: "duplicate item_id".
    status
        PASS where nothing was found; a FAIL keeps the data from being loaded.
    count
        How many rows, columns, users or items break the rule.
    examples
        The first of them, with their rows (row 1 is the first record, not the header).
    remedy
        What to do about it.
    """

    name: str
    status: Status
    count: int
    examples: tuple[str, ...]
    remedy: str

    @classmethod
    def of(cls, name: str, faults: Iterable[str], remedy: str, status: Status = "FAIL") -> Check:
        """Make a check from a list of faults."""
        faults = tuple(faults)
        return cls(name, status if faults else "PASS", len(faults), faults[:N_EXAMPLES], remedy)

    @classmethod
    def rows(cls, name: str, bad: pl.Series, shown: pl.Series, remedy: str, status: Status = "FAIL") -> Check:
        """Make a check from a mask of bad rows and the column to show, each of shape (rows,)."""
        first = bad.arg_true().head(N_EXAMPLES)
        examples = (
            f"row {row + 1} has {value!r}" for row, value in zip(first, shown.gather(first), strict=True)
        )
        count = int(bad.sum())
        return cls(name, status if count else "PASS", count, tuple(examples), remedy)


def demand(checks: Iterable[Check], where: str) -> None:
    """Refuse a table that fails a check.

    Raises
    ------
    DataError
        With the first failure; `where` names the file or table.
    """
    for check in checks:
        if check.status == "FAIL":
            raise DataError(
                f"{where}: {check.name} ({check.count}): {', '.join(check.examples)}. {check.remedy}"
            )


@dataclass(frozen=True)
class Kind:
    """What a column holds.

    Attributes
    ----------
    words
        The values that it takes, as told to the user.
    parse
        Maps a column to its canonical type, null where a value can't be read; None where no value
        of the column's type can.
    optional
        Whether values may be missing.
    """

    words: str
    parse: Callable[[pl.Series], pl.Series | None]
    optional: bool = False


ID: Final = Kind("text or whole numbers, never empty", values.identifiers)
LABEL: Final = Kind("text", values.labels, optional=True)
TEXT: Final = Kind("text or lists of text", values.texts, optional=True)
INSTANT: Final = Kind("seconds since 1970, dates or ISO-8601 text (one unit throughout)", values.instants)
WHOLE: Final = Kind("whole numbers", values.wholes)
NUMBER: Final = Kind("finite numbers", values.numbers)
MEASURE: Final = Kind("finite numbers or nothing", values.numbers, optional=True)
FLAG: Final = Kind("true or false, 1 or 0", values.flags)


@dataclass(frozen=True)
class Table:
    """A table of the contract.

    Attributes
    ----------
    name
        Its file name without suffix.
    kinds
        Kinds of the columns that have a meaning; other columns are kept as they are.
    required
        Columns that must be there, as groups of which one suffices.
    unique
        Column whose values never repeat.
    """

    name: str
    kinds: Mapping[str, Kind]
    required: tuple[tuple[str, ...], ...]
    unique: str | None = None


ITEMS: Final = Table(
    "items",
    {Columns.ITEM: ID} | dict.fromkeys(Columns.TEXT, TEXT),
    required=((Columns.ITEM,),),
    unique=Columns.ITEM,
)
EVENTS: Final = Table(
    "events",
    {
        Columns.USER: ID,
        Columns.ITEM: ID,
        Columns.TIMESTAMP: INSTANT,
        Columns.POSITION: WHOLE,
        Columns.ELAPSED: NUMBER,
        Columns.EVENT: LABEL,
        Columns.VALUE: MEASURE,
    },
    required=((Columns.USER,), (Columns.ITEM,), (Columns.TIMESTAMP, Columns.POSITION)),
)
IMPRESSIONS: Final = Table(
    "impressions",
    {
        Columns.RANKING: ID,
        Columns.USER: ID,
        Columns.TIMESTAMP: INSTANT,
        Columns.ITEM: ID,
        Columns.POSITION: WHOLE,
        Columns.CLICKED: FLAG,
        Columns.SCORE: MEASURE,
        Columns.PROPENSITY: MEASURE,
    },
    required=(
        (Columns.RANKING,),
        (Columns.USER,),
        (Columns.TIMESTAMP,),
        (Columns.ITEM,),
        (Columns.POSITION,),
        (Columns.CLICKED,),
    ),
)


def conform(raw: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, list[Check]]:
    """Bring the columns of a table to their canonical types.

    Returns
    -------
    tuple[pl.DataFrame, list[Check]]
        The table, with null for values that can't be read and without columns of a wrong type,
        and what was found on the way.

    Examples
    --------
    >>> items, checks = conform(pl.DataFrame({"item_id": [7, 7], "title": ["Tea", "Coffee"]}), ITEMS)
    >>> items["item_id"].to_list()
    ['7', '7']
    >>> [check.name for check in checks if check.status == "FAIL"]
    ['duplicate item_id']
    """
    kinds = {name: kind for name, kind in table.kinds.items() if name in raw.columns}
    parsed = {name: kind.parse(raw[name]) for name, kind in kinds.items()}
    known = {name: column for name, column in parsed.items() if column is not None}
    missing = (" or ".join(group) for group in table.required if not set(group) & set(raw.columns))
    wrong = {
        name: f"{name} is {raw[name].dtype} instead of {kinds[name].words}"
        for name in kinds
        if name not in known
    }
    there = ", ".join(raw.columns) or "no columns"
    checks = [
        Check.of("missing columns", missing, f"Add them; the table has {there}."),
        Check.of("columns of a wrong type", wrong.values(), "Write these columns anew."),
    ]
    for name, column in known.items():
        bad = column.is_null() & raw[name].is_not_null() if kinds[name].optional else column.is_null()
        remedy = f"{name} takes {kinds[name].words}; mend or drop these rows."
        checks.append(Check.rows(f"missing or unreadable {name}", bad, raw[name], remedy))
    if table.unique in known:
        key = known[table.unique]
        again = ~key.is_first_distinct() & key.is_not_null()
        checks.append(Check.rows(f"duplicate {table.unique}", again, key, "Keep one row for each."))
    return raw.drop(wrong).with_columns(known.values()), checks


def unknown_items(table: pl.DataFrame, items: pl.DataFrame) -> Check:
    """Look for rows of a table that name items missing from `items`."""
    named = table[Columns.ITEM]
    unknown = named.is_not_null() & ~named.is_in(items[Columns.ITEM].drop_nulls().implode())
    return Check.rows("unknown item_id", unknown, named, "Add these items to items, or drop the rows.")
