"""Frames as users have them, of polars, pandas or Arrow: polars ones inside, and back out what came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import polars as pl

from tailrank.arrays import Offsets
from tailrank.data.pandas_frames import from_pandas
from tailrank.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class ArrowTable(Protocol):
    """A table of pyarrow, or any other that offers its columns as Arrow does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the columns, by the Arrow PyCapsule interface."""


Frame: TypeAlias = "pl.DataFrame | pd.DataFrame | ArrowTable"
AnyFrame = TypeVar("AnyFrame", bound=Frame)


def to_polars(frame: Frame, source: str) -> pl.DataFrame:
    """Take a frame as one of polars.

    Raises
    ------
    DataError
        If it is no frame, or as `from_pandas` does; `source` names the table.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if hasattr(frame, "iloc"):
        return from_pandas(frame, source)
    if hasattr(frame, "__arrow_c_stream__"):
        return pl.DataFrame(frame)
    kind = type(frame).__name__
    raise DataError(f"{source}: give a polars or pandas DataFrame or an Arrow table, not {kind}.")


def taken(
    frame: AnyFrame, rows: Offsets, kept: Mapping[str, str], new: Mapping[str, np.ndarray[Any, Any]]
) -> AnyFrame:
    """Take rows of a frame, and put new columns behind its own.

    Parameters
    ----------
    frame
        Of polars, pandas or pyarrow; of another Arrow table the result is a frame of polars.
    rows
        Numbers of the rows, in their new order, shape (n,).
    kept
        The columns to keep, and what they are called then.
    new
        By name, each of shape (n,).
    """
    given: Any = frame
    if hasattr(given, "iloc"):
        found = given.iloc[rows][[*kept]].rename(columns=dict(kept)).reset_index(drop=True).assign(**new)
    else:
        names = (pl.col(old).alias(name) for old, name in kept.items())
        found = to_polars(given, "frame")[rows].select(names).with_columns(**new)
        if type(given).__module__.startswith("pyarrow"):
            # Its newest text type is one that much of pyarrow can't work with yet.
            found = found.to_arrow(compat_level=pl.CompatLevel.oldest())
    return cast("AnyFrame", found)
