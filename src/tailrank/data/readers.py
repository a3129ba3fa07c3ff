"""Tables of a data folder, from Parquet, CSV or JSON Lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from tailrank.data.formats import FORMATS, format_of, read_file
from tailrank.data.id_checks import unknown_items
from tailrank.data.naming import rename_columns
from tailrank.data.part_files import part_of_row, read_parts, table_header
from tailrank.data.reading import Reading
from tailrank.data.schema import (
    EVENTS,
    IMPRESSIONS,
    ITEMS,
    LISTS,
    TAUGHT,
    TRIPLES,
    Check,
    TableSchema,
    parse_table,
    raise_failures,
)
from tailrank.errors import DataError
from tailrank.folders import DATA, kind_of

SUFFIXES: Final = tuple(
    f".{ending}{packed}"
    for ending in FORMATS
    for packed in ("", ".gz", ".zst")
    if (ending, packed) != ("parquet", ".zst")
)
FOLDERS: Final = ("", *(f".{ending}" for ending in FORMATS))
"""What a folder of part files ends with: nothing, or what they hold, as Spark and its like call it."""

_NAMES: Final = {table.name for table in (ITEMS, EVENTS, IMPRESSIONS, TRIPLES, TAUGHT)}

AS_IS: Final = Reading()


def read_items(folder: Path, reading: Reading = AS_IS) -> pl.DataFrame:
    """Read the items of a data folder.

    Returns
    -------
    pl.DataFrame
        One row an item: `item_id` and text columns as text (or lists of text), others as they are.

    Raises
    ------
    DataError
        If the file is missing, ambiguous, damaged or breaks the contract (docs/data.md).
    """
    return _read(folder, ITEMS, reading)


def read_events(folder: Path, reading: Reading = AS_IS) -> pl.DataFrame:
    """Read the events of a data folder, in the order of the file.

    Raises as `read_items` does.

    Returns
    -------
    pl.DataFrame
        One row an event: ids as text, `timestamp` in seconds since 1970 (Float64), `position` Int64,
        `elapsed_seconds` and `value` Float64, `event` text.
    """
    return _read(folder, EVENTS, reading)


def read_tables(folder: Path, reading: Reading = AS_IS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read items and events; if bad rows are left out, so are events of items that are then missing.

    Raises as `read_items` does.
    """
    items = read_items(folder, reading)
    return items, _read(folder, EVENTS, reading, items)


def read_triples(folder: Path, reading: Reading = AS_IS) -> pl.DataFrame | None:
    """Read what is known of items in a data folder, one row a triple; None if there is no such table.

    Raises as `read_items` does.
    """
    return _read(folder, TRIPLES, reading) if table_files(folder, TRIPLES.name) else None


def read_taught(folder: Path, reading: Reading = AS_IS) -> pl.DataFrame | None:
    """Read how well a teacher says that items go together, one row a pair; None if there is no such table.

    Raises as `read_items` does.
    """
    return _read(folder, TAUGHT, reading) if table_files(folder, TAUGHT.name) else None


def table_files(folder: Path, name: str) -> list[Path]:
    """List the files, and folders of part files, that could hold a table."""
    files = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    return files + [path for suffix in FOLDERS if (path := folder / f"{name}{suffix}").is_dir()]


def other_kind(folder: Path) -> str | None:
    """Name what a folder is, such as a model, if it has neither items nor events; None if that is unknown."""
    has_tables = any(table_files(folder, table.name) for table in (ITEMS, EVENTS))
    kind = None if has_tables else kind_of(folder)
    return None if kind == DATA else kind


def find_table(folder: Path, name: str) -> Path:
    """Find the one file of a folder that holds a table.

    Raises
    ------
    DataError
        If there is no folder, no file, or more than one.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give a data folder with items and events (docs/data.md).")
    found = table_files(folder, name)
    if not found:
        if (kind := other_kind(folder)) is not None:
            raise DataError(f"{folder} is a {kind}, not a data folder: name another folder")
        there = [path.name for path in sorted(folder.iterdir()) if _may_hold(path)]
        near = f" If it is in {', '.join(there)}, call that {name}, with the same ending." if there else ""
        raise DataError(f"{folder}: no {name} file. Add {name}.parquet, {name}.csv or {name}.jsonl.{near}")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: {names} both hold {name}. Keep one of them.")
    return found[0]


def _may_hold(path: Path) -> bool:
    """Whether a file may be a table that has another name."""
    return format_of(path) is not None and path.name.partition(".")[0] not in _NAMES


def read_table(path: Path, table: TableSchema, reading: Reading = AS_IS) -> pl.DataFrame:
    """Read a file, or a folder of part files, before the contract is applied to its values.

    Columns get the names of the contract where `reading`, or a `tailrank.toml` beside the file, says so.

    Raises
    ------
    DataError
        If it is empty, damaged, not UTF-8 or not in the format that its suffix names.
    """
    asked = reading.names(path.parent, table.name)
    as_text = dict.fromkeys(name.lower() for name in (*table.columns, *asked.values()))
    read = read_parts if path.is_dir() else read_file
    frame, dialect = read(path, format_of(path), as_text)
    garbled = [name for name in frame.columns if "\ufffd" in name or name.endswith("_duplicated_0")]
    if garbled:
        name = garbled[0].removesuffix("_duplicated_0")
        raise DataError(f"{path}: column {name!r} is repeated or not UTF-8. Correct the header.")
    if not len(frame):
        raise DataError(f"{path}: no rows. Give at least one.")
    asked = {
        name: column
        for name, column in asked.items()
        if column in frame.columns
        or name not in map(str.lower, frame.columns)
        or not _elsewhere(path.parent, column, reading.others_asked(table.name, name))
    }
    frame, taken = rename_columns(frame, table.columns, asked, str(path))
    reading.note(f"{path.name}: {dialect}; {_recognised(frame, table, taken)}")
    return frame


def _elsewhere(folder: Path, column: str, tables: Sequence[str]) -> bool:
    """Whether one of some tables of a folder has a column."""
    files = [path for table in tables for path in table_files(folder, table)]
    return any(column in table_header(path, format_of(path)) for path in files)


def located(checks: list[Check], path: Path) -> list[Check]:
    """Say of the rows of a folder that fail a check in which file the first of them is."""
    return [
        replace(check, remedy=f"{check.remedy} The first is {part_of_row(path, format_of(path), first)}.")
        if path.is_dir() and (first := check.first_bad) is not None
        else check
        for check in checks
    ]


def _recognised(frame: pl.DataFrame, table: TableSchema, taken: Mapping[str, str]) -> str:
    """Say which columns are read, from where, and which are not."""
    read = [name for name in table.columns if name in frame.columns]
    said = ", ".join(f"{name} from {taken[name]}" if name in taken else name for name in read)
    rest = [name for name in frame.columns if name not in read]
    left = {ITEMS.name: "only by a --template or --space", LISTS.name: "scores"}.get(table.name, "ignored")
    return f"reads {said or 'nothing'}" + (f"; {left}: {', '.join(rest)}" if rest else "")


def _read(
    folder: Path, table: TableSchema, reading: Reading, items: pl.DataFrame | None = None
) -> pl.DataFrame:
    path = find_table(folder, table.name)
    raw = read_table(path, table, reading)
    frame, checks = parse_table(raw, table)
    if reading.bad_rows is None:
        raise_failures(located(checks, path), str(path))
        return frame
    raise_failures((check for check in checks if check.bad is None), str(path))
    if items is not None:
        checks.append(unknown_items(frame, items))
    good = reading.bad_rows.take(frame, raw, checks, path.name)
    if n := len(frame) - len(good):
        reasons = ", ".join(f"{check.name} {check.count:,}" for check in checks if check.count)
        reading.note(f"{path.name}: dropped {n:,} of {len(frame):,} rows ({n / len(frame):.1%}): {reasons}")
    return good
