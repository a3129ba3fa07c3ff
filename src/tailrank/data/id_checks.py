"""Checks of ids: placeholders for a missing one, those that did more than anybody does, unknown ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.schema import Check

PLACEHOLDERS: Final = (
    *("nan", "nat", "null", "nil", "none", "na", "undefined", "empty", "blank", "missing", "objectobject"),
    *("notset", "notavailable", "notapplicable", "notprovided", "unknown", "unknownuser", "unknownitem"),
    *("anon", "anonymous", "anonymoususer", "guest", "guestuser", "nouser", "noitem", "notloggedin"),
    *("deleted", "deleteduser", "true", "false", "0" * 32, "f" * 32),
)
"""Lower-case letters and digits of ids, and other text, that stand for a missing one."""

SENTINEL: Final = r"^(0+|-1|-?9{3,})$"
"""Numbers that stand for a missing id, if they are frequent."""

SHARES: Final = {Columns.USER: 0.05, Columns.ITEM: 0.10}
"""Share of all events that is outlandish for one user, or one item."""

SENTINEL_SHARE: Final = 0.01
TIMES_THE_MEDIAN: Final = 20
"""How many times the median of all users, or items, an outlandish one has at least."""


def id_checks(table: pl.DataFrame) -> Iterator[Check]:
    """Check the ids of users and items for placeholders, and for shares of all rows that nobody has.

    Parameters
    ----------
    table
        Ids as text, shape (rows,) each.
    """
    for column, share in SHARES.items():
        if column in table.columns:
            counts = table[column].drop_nulls().value_counts(sort=True, name="n")
            remedy = f"Drop these rows, or give them their own {column}: all of one placeholder count as one."
            yield _check(f"placeholders as {column}", _placeholders(counts), len(table), remedy)
            usual = TIMES_THE_MEDIAN * pl.col("n").median()
            limit = pl.when(pl.col(column).str.contains(SENTINEL)).then(SENTINEL_SHARE).otherwise(share)
            many = (pl.col("n") > usual) & (pl.col("n") > limit * len(table))
            remedy = (
                "Drop these rows if it stands for many: a placeholder, a shared account, a robot, a test."
            )
            yield _check(f"{column} with an outlandish share", counts.filter(many), len(table), remedy)


def text_checks(table: pl.DataFrame) -> Iterator[Check]:
    """Check event types and item texts for placeholders that occur again.

    Parameters
    ----------
    table
        Text, or columns of other types, which are passed over; shape (rows,) each.
    """
    remedy = "Leave these cells empty: a placeholder counts as a type, or as words of the item."
    for column in (Columns.EVENT, *Columns.TEXT):
        if column in table.columns and table[column].dtype == pl.String:
            counts = table[column].drop_nulls().value_counts(sort=True, name="n").filter(pl.col("n") > 1)
            yield _check(f"placeholders as {column}", _placeholders(counts), len(table), remedy)


def unknown_items(table: pl.DataFrame, items: pl.DataFrame) -> Check:
    """Check for rows of a table that name items missing from `items`."""
    named, known = table[Columns.ITEM], items[Columns.ITEM].drop_nulls()
    unknown = named.is_not_null() & ~named.is_in(known.implode())
    remedy = "Add these items to items, or drop the rows."
    if len(known) and unknown.any() and unknown.sum() == named.count():
        remedy = (
            "None of these ids is in items: the ids of the two tables don't match, such as "
            f"{named.drop_nulls()[0]!r} here and {known[0]!r} in items. Write item_id alike in both."
        )
    return Check.from_mask("unknown item_id", unknown, named, remedy)


def _placeholders(counts: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows whose first column holds what stands for a missing value."""
    text = pl.col(counts.columns[0])
    compact = text.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]", "")
    return counts.filter(compact.is_in(PLACEHOLDERS) | text.str.contains(r"^[\p{P}\p{Z}]+$|^\\[Nn]$"))


def _check(name: str, found: pl.DataFrame, rows: int, remedy: str) -> Check:
    faults = (f"{id_!r} has {n:,} of {rows:,} rows ({n / rows:.1%})" for id_, n in found.iter_rows())
    return Check.from_faults(name, faults, remedy, "WARN")
