"""A data folder with another table of items: the other tables are copied as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from tailrank.data.imports.tables import check_free
from tailrank.data.readers import table_files
from tailrank.data.reading import SETTINGS, as_settings, read_settings
from tailrank.data.schema import ALL_TABLES, ITEMS
from tailrank.errors import DataError, first_line
from tailrank.files import written_folder


def copy_with_items(source: Path, out: Path, items: pl.DataFrame) -> None:
    """Write a data folder that differs from another one in its items, completely or not at all.

    Parameters
    ----------
    source
        Stays as it is.
    out
        Must be new or empty.
    items
        With the names of columns that docs/data.md gives them.

    Raises
    ------
    DataError
        If the new folder holds something, or can't be written.
    """
    check_free(out)
    names = {table: columns for table, columns in read_settings(source).items() if table != ITEMS.name}
    try:
        with written_folder(out) as new:
            items.write_parquet(new / f"{ITEMS.name}.parquet")
            for table in ALL_TABLES:
                for path in [] if table is ITEMS else table_files(source, table.name):
                    (shutil.copytree if path.is_dir() else shutil.copy2)(path, new / path.name)
            if settings := as_settings(names):
                (new / SETTINGS).write_text(settings, encoding="utf-8")
    except OSError as why:
        raise DataError(f"{out}: can't be written ({first_line(why)}). Choose another folder.") from None
