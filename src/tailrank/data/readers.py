"""Tables of a data folder, from Parquet, CSV or JSON Lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl

from tailrank.data.formats import read_file
from tailrank.data.naming import rename_columns
from tailrank.data.reading import Reading
from tailrank.data.schema import EVENTS, ITEMS, TableSchema, parse_table, raise_failures, unknown_items
from tailrank.errors import DataError

SUFFIXES: Final = (
    *(".parquet", ".parquet.gz"),
    *(".csv", ".csv.gz", ".csv.zst"),
    *(".jsonl", ".jsonl.gz", ".jsonl.zst"),
)
FOLDERS: Final = (".parquet", ".csv", ".jsonl", ".json")
"""What Spark and its like call a folder of part files; its ending says what they hold."""

AS_IS: Final = Reading()

NOT_ALL_DATA: Final = {
    "_temporary": "is still being written, or its writing broke off",
    "_delta_log": "is a Delta table, whose files hold deleted rows, too",
}
"""Entries of such a folder that say that its files aren't the table."""


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


def table_files(folder: Path, name: str) -> list[Path]:
    """List the files, and folders of part files, that could hold a table."""
    files = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    return files + [path for suffix in FOLDERS if (path := folder / f"{name}{suffix}").is_dir()]


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
        raise DataError(
            f"{folder}: no {name} file. Add one of {', '.join(name + suffix for suffix in SUFFIXES)}."
        )
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: {names} both hold {name}. Keep one of them.")
    return found[0]


def read_table(path: Path, table: TableSchema, reading: Reading = AS_IS) -> pl.DataFrame:
    """Read a file, or a folder of part files, before the contract is applied to its values.

    Columns get the names of the contract where `reading`, or a `tailrank.toml` beside the file, says so.

    Raises
    ------
    DataError
        If it is empty, damaged, not UTF-8 or not in the format that its suffix names.
    """
    ending = path.name.split(".")[1]
    file_format = "jsonl" if ending == "json" else ending
    read = _read_parts if path.is_dir() else read_file
    asked = reading.names(path.parent, table.name)
    as_text = dict.fromkeys(name.lower() for name in (*table.columns, *asked.values()))
    frame, dialect = read(path, file_format, as_text)
    garbled = [name for name in frame.columns if "\ufffd" in name or name.endswith("_duplicated_0")]
    if garbled:
        name = garbled[0].removesuffix("_duplicated_0")
        raise DataError(f"{path}: column {name!r} is repeated or not UTF-8. Correct the header.")
    if not len(frame):
        raise DataError(f"{path}: no rows. Give at least one.")
    frame, taken = rename_columns(frame, table.columns, asked, str(path))
    reading.note(f"{path.name}: {dialect}; {_recognised(frame, table, taken)}")
    return frame


def _recognised(frame: pl.DataFrame, table: TableSchema, taken: Mapping[str, str]) -> str:
    """Say which columns are read, from where, and which are not."""
    read = [name for name in table.columns if name in frame.columns]
    said = ", ".join(f"{name} from {taken[name]}" if name in taken else name for name in read)
    rest = [name for name in frame.columns if name not in read]
    left = "only by a --template" if table.name == ITEMS.name else "ignored"
    return f"reads {said or 'nothing'}" + (f"; {left}: {', '.join(rest)}" if rest else "")


def _read_parts(folder: Path, file_format: str, columns: Collection[str]) -> tuple[pl.DataFrame, str]:
    """Read the part files of a folder, in the order of their names, one below the other."""
    for name, why in NOT_ALL_DATA.items():
        if (folder / name).exists():
            raise DataError(f"{folder} {why} ({name}). Write the table anew.")
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size)
    parts = [path for path in paths if not _is_hidden(path.relative_to(folder))]
    if not parts:
        raise DataError(f"{folder}: no part files in this folder. Write the table anew.")
    frames, dialects = [], dict[str, None]()
    for part in parts:
        frame, dialect = read_file(part, file_format, columns)
        dialects[dialect] = None
        if not any(name.lower() in columns for name in frame.columns):
            named = ", ".join(columns)
            raise DataError(f"{part}: none of its columns is one of {named}. Give each file a header.")
        frames.append(frame.with_columns(_partition(part.relative_to(folder))))
    joined = _concatenated([frame for frame in frames if len(frame)] or frames[:1], folder)
    return joined, f"{len(parts):,} files, {' and '.join(dialects)}"


def _concatenated(frames: list[pl.DataFrame], folder: Path) -> pl.DataFrame:
    for name in dict.fromkeys(name for frame in frames for name in frame.columns):
        kinds = {_kind(frame.schema[name]) for frame in frames if name in frame.columns} - {"Null"}
        if len(kinds) > 1:
            raise DataError(
                f"{folder}: its files hold {' and '.join(sorted(kinds))} in column {name!r}. Write one type."
            )
    return pl.concat(frames, how="diagonal_relaxed")


def _kind(dtype: pl.DataType) -> str:
    """Name the types that polars can join without changing what the values mean."""
    if dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text or numbers"
    return str(dtype) if dtype == pl.Datetime else dtype.base_type().__name__


def _is_hidden(part: Path) -> bool:
    """Whether a name on the way says that this is no data, as `_SUCCESS` and checksums do."""
    return any(name.startswith(("_", ".")) for name in part.parts)


def _partition(part: Path) -> Iterator[pl.Expr]:
    """Give the columns that the folders of a part file name, such as `event=view`."""
    for key, equals, value in (name.partition("=") for name in part.parent.parts):
        if equals:
            known = None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
            yield pl.lit(known, dtype=pl.String).alias(unquote(key))


def _read(
    folder: Path, table: TableSchema, reading: Reading, items: pl.DataFrame | None = None
) -> pl.DataFrame:
    path = find_table(folder, table.name)
    raw = read_table(path, table, reading)
    frame, checks = parse_table(raw, table)
    if reading.bad_rows is None:
        raise_failures(checks, str(path))
        return frame
    raise_failures((check for check in checks if check.bad is None), str(path))
    if items is not None:
        checks.append(unknown_items(frame, items))
    good = reading.bad_rows.take(frame, raw, checks, path.name)
    if n := len(frame) - len(good):
        reasons = ", ".join(f"{check.name} {check.count:,}" for check in checks if check.count)
        reading.note(f"{path.name}: dropped {n:,} of {len(frame):,} rows ({n / len(frame):.1%}): {reasons}")
    return good
