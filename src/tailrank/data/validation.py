"""Every check of a data folder, failed or passed, in one list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.dataset import CLOCKS, choose_clock
from tailrank.data.id_checks import id_checks, text_checks, unknown_items
from tailrank.data.list_rows import position_check
from tailrank.data.naming import as_options, guess_columns
from tailrank.data.readers import AS_IS, find_table, located, other_kind, read_table, table_files
from tailrank.data.reading import SETTINGS, Names, Reading, read_settings
from tailrank.data.schema import (
    EVENTS,
    IMPRESSIONS,
    ITEMS,
    TAUGHT,
    TRIPLES,
    Check,
    TableSchema,
    parse_table,
)
from tailrank.data.time_checks import time_checks
from tailrank.errors import DataError

MIN_EVENTS: Final = 3
"""A user with fewer events can't be ranked for in the leave-one-out protocol."""


def validate(folder: Path, reading: Reading = AS_IS) -> list[Check]:
    """Check the tables of a data folder (docs/data.md), and others if there are any.

    The readers stop at the first failure; this goes on as far as it can. `reading` says how they are read,
    and is told what was recognised.

    Returns
    -------
    list[Check]
        Every check that could be made, in the order of the tables. The folder loads when none is a FAIL.
    """
    kind = other_kind(folder) if folder.is_dir() else "file"
    if kind is not None:
        fault = f"{folder} is a {kind}" if folder.exists() else f"{folder} does not exist"
        remedy = "Give a folder with items and events; `tailrank datasets get NAME` makes one of public data."
        return [Check.from_faults("missing folder", [fault], remedy)]
    try:
        read_settings(folder)  # which every table is read by: told once, and not of each
    except DataError as error:
        remedy = f"Correct {SETTINGS} or remove it; the tables are checked then."
        return [Check.from_faults(f"unreadable {SETTINGS}", [str(error)], remedy)]
    checks: list[Check] = []
    tables: dict[str, pl.DataFrame] = {}
    for table in _tables(folder):
        raw, frame, found = _table(folder, table, reading)
        if raw is not None and frame is not None:
            tables[table.name] = frame
            own = frame.select(name for name in frame.columns if name in table.columns)
            found += [*_time_checks(raw, own), *id_checks(own), *text_checks(own)]
            found += _WARNINGS[table.name](frame, raw) if table.name in _WARNINGS else []
        checks += [replace(check, name=f"{table.name}: {check.name}") for check in found]
    return checks + list(_links(tables))


def guess_names(folder: Path, reading: Reading = AS_IS) -> Names:
    """Guess what columns of a data folder are called in its files, beside those that are found by name.

    Raises
    ------
    DataError
        If a file is missing or can't be read.
    """
    return {
        table.name: guess_columns(
            read_table(find_table(folder, table.name), table, reading).columns, table.columns
        )
        for table in _tables(folder)
    }


def _tables(folder: Path) -> list[TableSchema]:
    there = [table for table in (IMPRESSIONS, TRIPLES, TAUGHT) if table_files(folder, table.name)]
    return [ITEMS, EVENTS, *there]


def _table(
    folder: Path, table: TableSchema, reading: Reading
) -> tuple[pl.DataFrame | None, pl.DataFrame | None, list[Check]]:
    """Read one table as far as it can be read: as it is, and by the contract."""
    remedy = "Give one file, or a folder of files, in Parquet, CSV or JSON Lines."
    try:
        path = find_table(folder, table.name)
        raw = read_table(path, table, reading)
    except DataError as error:
        return None, None, [Check.from_faults("missing or unreadable file", [str(error)], remedy)]
    if guesses := guess_columns(raw.columns, table.columns):
        reading.note(
            f"{table.name}: by its names, more could be read: {as_options(guesses)}; --guess keeps these"
        )
    frame, checks = parse_table(raw, table)
    return raw, frame, [Check.from_faults("missing or unreadable file", [], remedy), *located(checks, path)]


def _time_checks(raw: pl.DataFrame, frame: pl.DataFrame) -> Iterator[Check]:
    if Columns.TIMESTAMP in frame.columns:
        yield from time_checks(frame[Columns.TIMESTAMP], raw[Columns.TIMESTAMP])


def _item_warnings(items: pl.DataFrame, _: pl.DataFrame) -> Iterator[Check]:
    words = [
        (pl.col(name).list.join(" ", ignore_nulls=True) if items[name].dtype == pl.List else pl.col(name))
        .fill_null("")
        .str.strip_chars()
        for name in Columns.TEXT
        if name in items.columns
    ]
    bare = items.select(pl.concat_str(pl.repeat("", len(items)), *words).eq("")).to_series()
    key = items[Columns.ITEM] if Columns.ITEM in items.columns else pl.Series([None] * len(items))
    remedy = (
        f"Describe them in {' or '.join(Columns.TEXT)}: an item without text can't be ranked by its text."
    )
    if bare.all():
        remedy = "No item has any, so training needs a --template of other columns, or text in one of these."
    yield Check.from_mask("no text", bare, key, remedy, "WARN")


def _event_warnings(events: pl.DataFrame, raw: pl.DataFrame) -> Iterator[Check]:
    if Columns.USER not in events.columns:
        return
    users = events[Columns.USER]
    sizes = users.drop_nulls().value_counts(sort=True).filter(pl.col("count") < MIN_EVENTS)
    remedy = f"They train, but leave-one-out needs {MIN_EVENTS} events a user to test one."
    few = (f"{user!r} has {n}" for user, n in sizes.sort("count", Columns.USER).iter_rows())
    yield Check.from_faults(f"users with fewer than {MIN_EVENTS} events", few, remedy, "WARN")
    if not {Columns.TIMESTAMP, Columns.POSITION}.isdisjoint(events.columns):
        yield from _order_warnings(events, raw)


def _order_warnings(events: pl.DataFrame, raw: pl.DataFrame) -> Iterator[Check]:
    users = events[Columns.USER]
    clock = CLOCKS[choose_clock(events.columns)]
    before = pl.col(clock).shift(1).over(Columns.USER)
    backward = events.select(pl.col(clock).lt(before).fill_null(False)).to_series()
    remedy = "Nothing is lost: they are sorted when loaded."
    yield Check.from_mask(
        f"{clock} earlier than in the user's row before", backward, raw[clock], remedy, "WARN"
    )
    tied = events.select(Columns.USER, clock).is_duplicated()
    remedy = "Their order is that of the file, which may be arbitrary: try `evaluate --ties shuffled` too."
    yield Check.from_mask(f"same user and {clock}", tied, users, remedy, "WARN")
    if Columns.ITEM in events.columns:
        types = [Columns.EVENT] if Columns.EVENT in events.columns else []
        again = ~events.select(Columns.USER, Columns.ITEM, *types, clock).to_struct().is_first_distinct()
        remedy = "Drop them, unless the user truly did the same twice at once."
        yield Check.from_mask("duplicate event", again, events[Columns.ITEM], remedy, "WARN")


def _impression_warnings(impressions: pl.DataFrame, _: pl.DataFrame) -> Iterator[Check]:
    if Columns.PROPENSITY in impressions.columns:
        chance = impressions[Columns.PROPENSITY]
        outside = ((chance <= 0) | (chance > 1)).fill_null(False)
        remedy = "Give the chance that the item was shown there."
        yield Check.from_mask("propensity outside (0, 1]", outside, chance, remedy)
    if {Columns.RANKING, Columns.POSITION} <= set(impressions.columns):
        yield position_check(impressions, [Columns.RANKING])


def _links(tables: dict[str, pl.DataFrame]) -> Iterator[Check]:
    """Check that the tables name the same items."""
    linked = {name: frame for name, frame in tables.items() if Columns.ITEM in frame.columns}
    items = linked.pop(ITEMS.name, None)
    if items is None:
        return
    if TRIPLES.name in tables:
        named = pl.concat(tables[TRIPLES.name].select(pl.col(end).alias("end")) for end in ("head", "tail"))
        bare = ~items[Columns.ITEM].is_in(named["end"].drop_nulls().implode())
        remedy = "In triples an item goes by its item_id, as head or tail."
        yield Check.from_mask(
            "triples: items of which nothing is known", bare, items[Columns.ITEM], remedy, "WARN"
        )
    for name, frame in linked.items():
        check = unknown_items(frame, items)
        yield replace(check, name=f"{name}: {check.name}")
    if EVENTS.name in linked:
        acted = linked[EVENTS.name][Columns.ITEM].drop_nulls()
        cold = (~items[Columns.ITEM].is_in(acted.implode())).fill_null(False)
        remedy = "Nothing to correct: they are ranked by their text."
        if len(acted) and cold.sum() == items[Columns.ITEM].count():
            remedy = "No item has any, since no id of events is in items."
        yield Check.from_mask("items: no events", cold, items[Columns.ITEM], remedy, "WARN")


_WARNINGS: Final = {
    ITEMS.name: _item_warnings,
    EVENTS.name: _event_warnings,
    IMPRESSIONS.name: _impression_warnings,
}
