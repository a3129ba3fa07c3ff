"""Folders of part files, as Spark, Dask and daily exports write them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl

from tailrank.data.formats import read_file, read_header
from tailrank.errors import DataError

NOT_ALL_DATA: Final = {
    "_temporary": "is still being written, or its writing broke off",
    "_delta_log": "is a Delta table, whose files hold deleted rows, too",
}
"""Entries of such a folder that say that its files aren't the table."""


N_DIALECTS: Final = 2


def read_parts(folder: Path, file_format: str | None, columns: Collection[str]) -> tuple[pl.DataFrame, str]:
    """Read the part files of a folder, in the order of their names, one below the other.

    Parameters
    ----------
    folder
        Folders in it, such as `event=view`, give columns; hidden files are passed over.
    file_format
        As of `read_file`; None if each file's name says it.
    columns
        As of `read_file`; each part has one of them at least.

    Returns
    -------
    tuple[pl.DataFrame, str]
        The rows of all, and how they are written, in words.

    Raises
    ------
    DataError
        If a part can't be read, or they don't go together.
    """
    for name, why in NOT_ALL_DATA.items():
        if (folder / name).exists():
            raise DataError(f"{folder} {why} ({name}). Write the table again.")
    parts = _parts(folder)
    if not parts:
        raise DataError(f"{folder}: no part files in this folder. Write the table again.")
    frames, dialects = [], dict[str, None]()
    for part in parts:
        frame, dialect = read_file(part, file_format, columns)
        dialects[dialect] = None
        if not any(name.lower() in columns for name in frame.columns):
            named = ", ".join(columns)
            raise DataError(f"{part}: none of its columns is one of {named}. Give each file a header.")
        frames.append(frame.with_columns(_partition(part.relative_to(folder))))
    joined = _concatenated([frame for frame in frames if len(frame)] or frames[:1], folder)
    others = " and others" if len(dialects) > N_DIALECTS else ""
    return joined, f"{len(parts):,} files, {' and '.join(list(dialects)[:N_DIALECTS])}{others}"


def table_header(path: Path, file_format: str | None) -> set[str]:
    """Name the columns of a file, or of all part files of a folder.

    Raises as `read_parts` does.
    """
    if path.is_file():
        return set(read_header(path, file_format))
    parts = _parts(path)
    keys = {unquote(name.partition("=")[0]) for part in parts for name in part.relative_to(path).parent.parts}
    return keys.union(*(read_header(part, file_format) for part in parts))


def part_of_row(folder: Path, file_format: str | None, row: int) -> str:
    """Name the part that holds a row of all parts together, counted from 0, and its number there, from 1.

    Raises as `read_parts` does.
    """
    for part in _parts(folder):
        n_rows = len(read_file(part, file_format, ())[0])
        if row < n_rows:
            return f"row {row + 1} of {part}"
        row -= n_rows
    raise IndexError(row)


def _parts(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size)
    return [path for path in paths if not _is_hidden(path.relative_to(folder))]


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
