"""Columns that tailrank adds to items, beside what is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from tailrank.errors import DataError


def check_addable(items: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> None:
    """Refuse items with columns of the names that are written, but of other types.

    Raises
    ------
    DataError
        Naming the first.
    """
    for name, kind in columns.items():
        if name in items.columns and items[name].dtype not in (kind, pl.Null):
            raise DataError(
                f"items: the column `{name}` holds {items[name].dtype}, but what is written there is {kind}: "
                "rename it"
            )


def with_added(
    items: pl.DataFrame, values: Mapping[str, Sequence[object]], columns: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """Add columns to items; of those that are there, only empty cells are filled.

    Parameters
    ----------
    items
        One row an item.
    values
        By the name of the column, one an item; None for an empty cell.
    columns
        Their types, in the order in which they are added.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a", "b"], "said": ["hello", None]})
    >>> with_added(items, {"said": ["no", "yes"]}, {"said": pl.String()})["said"].to_list()
    ['hello', 'yes']
    """
    for name, kind in columns.items():
        new = pl.Series(name, values[name], kind)
        items = items.with_columns(pl.coalesce(name, new) if name in items.columns else new)
    return items
