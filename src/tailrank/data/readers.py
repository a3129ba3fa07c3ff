"""Tables of a data folder, from Parquet, CSV or JSON Lines."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PanicException, PolarsError

from tailrank.data.schema import EVENTS, ITEMS, TableSchema, parse_table, raise_failures
from tailrank.errors import DataError, first_line

SUFFIXES: Final = (
    *(".parquet", ".parquet.gz"),
    *(".csv", ".csv.gz", ".csv.zst"),
    *(".jsonl", ".jsonl.gz", ".jsonl.zst"),
)


def read_items(folder: Path) -> pl.DataFrame:
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
    return _read(folder, ITEMS)


def read_events(folder: Path) -> pl.DataFrame:
    """Read the events of a data folder, in the order of the file.

    Raises as `read_items` does.

    Returns
    -------
    pl.DataFrame
        One row an event: ids as text, `timestamp` in seconds since 1970 (Float64), `position` Int64,
        `elapsed_seconds` and `value` Float64, `event` text.
    """
    return _read(folder, EVENTS)


def table_files(folder: Path, name: str) -> list[Path]:
    """List the files of a folder that could hold a table."""
    return [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]


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


def read_table(path: Path, table: TableSchema) -> pl.DataFrame:
    """Read a file as it is, before the contract is applied.

    Raises
    ------
    DataError
        If it is empty, damaged, not UTF-8 or not in the format that its suffix names.
    """
    file_format = path.name.split(".")[1]
    try:
        frame = _parse(path, file_format, table)
    except (PolarsError, PanicException, OSError, EOFError, zlib.error) as error:
        reason = _fault(path, file_format) or first_line(error)
        raise DataError(
            f"{path}: not a readable {file_format} file: {reason}. Write it anew, in UTF-8."
        ) from None
    garbled = [name for name in frame.columns if "\ufffd" in name or name.endswith("_duplicated_0")]
    if garbled:
        raise DataError(f"{path}: column {garbled[0]!r} is repeated or not UTF-8. Correct the header.")
    if not len(frame):
        raise DataError(f"{path}: no rows. Give at least one.")
    return frame


def _read(folder: Path, table: TableSchema) -> pl.DataFrame:
    path = find_table(folder, table.name)
    frame, checks = parse_table(read_table(path, table), table)
    raise_failures(checks, str(path))
    return frame


def _parse(path: Path, file_format: str, table: TableSchema) -> pl.DataFrame:
    if file_format == "csv":
        # As text, because inference would turn the id 007 into 7, and report a bad time without its row.
        as_text = dict.fromkeys(table.columns, pl.String)
        others = set(pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns) - as_text.keys()
        length = None if others else 0  # other columns get the type that suits all of their rows
        return pl.read_csv(path, schema_overrides=as_text, infer_schema_length=length, glob=False)
    if file_format == "jsonl":
        return pl.read_ndjson(path.read_bytes(), infer_schema_length=None)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return pl.read_parquet(file.read())


def _fault(path: Path, file_format: str) -> str | None:
    """Name the first line that is not UTF-8 or not JSON, because polars does not."""
    if file_format == "parquet" or path.suffix == ".zst":
        return None
    number = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007
                text = line.decode()
                if file_format == "jsonl" and text.strip():
                    json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"line {number}: {error}"
    except (OSError, EOFError, zlib.error) as error:
        return str(error)
    return None
