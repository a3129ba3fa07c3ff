"""pandas frames as polars frames, by their Python objects: polars itself needs pyarrow for text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from tailrank.errors import DataError, first_line

if TYPE_CHECKING:
    import pandas as pd


def from_pandas(frame: pd.DataFrame, source: str) -> pl.DataFrame:
    """Copy a pandas frame, with null for what pandas calls missing; the index is left out.

    Raises
    ------
    DataError
        If two columns have one name, or a column holds what has no type in polars; `source`
        names the table.
    """
    names = list(map(str, frame.columns))
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{source}: column {repeated[0]!r} is repeated. Keep one of them.")
    return pl.DataFrame([_series(frame[key], str(key), source) for key in frame])


def _series(column: pd.Series, name: str, source: str) -> pl.Series:
    missing = column.isna()
    try:
        values = [None if gone else value for value, gone in zip(column.astype(object), missing, strict=True)]
        if column.dtype == object or not isinstance(column.dtype, np.dtype):
            values = _plain(values)
        return pl.Series(name, values, strict=False)
    except (PolarsError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{source}: column {name!r} can't be read ({first_line(error)}). "
            "Give values of one kind: text, numbers, times of one zone or lists of text."
        ) from None


def _plain(values: list[Any]) -> list[Any]:
    """Replace arrays by lists and UUIDs by text; beside other values, lists by JSON."""
    plain = list(map(_plain_value, values))
    lists = [isinstance(value, list) for value in plain]
    if any(lists) and sum(lists) < len(plain) - plain.count(None):
        return [
            msgspec.json.encode(value, enc_hook=str).decode() if is_list else value
            for value, is_list in zip(plain, lists, strict=True)
        ]
    return plain


def _plain_value(value: Any) -> Any:
    """Replace an array or a tuple by a list, in which NaN is missing, and a UUID by text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [None if _is_missing(each) else _plain_value(each) for each in value]
    return str(value) if isinstance(value, UUID) else value


def _is_missing(value: object) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
