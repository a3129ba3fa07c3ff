"""Which texts people would hold, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Codes
from tailrank.data.columns import Columns
from tailrank.data.formats import read_file
from tailrank.errors import DataError

LABEL: Final = "label"
MEANS: Final = {"1": True, "true": True, "0": False, "false": False}


def read_labels(file: Path, items: pl.DataFrame) -> tuple[Codes, Bools]:
    """Read a table of `item_id` and `label`: 1 or true for items that should be held, 0 or false for others.

    Returns
    -------
    tuple[Codes, Bools]
        Rows of `items`, and the label of each, shape (labels,). Ids that `items` lacks are left out.

    Raises
    ------
    DataError
        If the file can't be read, lacks a column, labels none of the items or one of them twice, or says
        anything else.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file: give a table of {Columns.ITEM} and {LABEL}")
    table, _ = read_file(file, None, {Columns.ITEM, LABEL})
    for name in (Columns.ITEM, LABEL):
        if name not in table.columns:
            raise DataError(f"{file}: lacks the column `{name}`; it has {', '.join(table.columns)}")
    ids = table[Columns.ITEM].cast(pl.String).to_list()
    said = table[LABEL].cast(pl.String).str.strip_chars().str.to_lowercase().to_list()
    rows = dict(zip(items[Columns.ITEM], range(len(items)), strict=True))
    labels = dict[int, bool]()
    for number, (item, label) in enumerate(zip(ids, said, strict=True), 1):
        if label not in MEANS:
            raise DataError(f"{file}, row {number}: label {label!r}: write 1 to hold the item, 0 not to")
        if item in rows:
            if rows[item] in labels:
                raise DataError(f"{file}, row {number}: item {item!r} is labelled twice: keep one row")
            labels[rows[item]] = MEANS[label]
    if not labels:
        raise DataError(f"{file}: labels none of the {len(items):,} items: see its {Columns.ITEM}")
    return np.array([*labels], np.int32), np.array([*labels.values()], bool)
