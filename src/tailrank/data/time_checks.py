"""Checks of times that can be read and yet make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl

from tailrank.bounds import EARLIEST_TIMESTAMP, latest_plausible_time
from tailrank.data.columns import Columns
from tailrank.data.schema import Check
from tailrank.data.time_formats import WRITTEN, compact_seconds
from tailrank.data.values import to_numbers


def moment_checks(times: pl.Series, raw: pl.Series) -> Iterator[Check]:
    """Check for times that are too old, or too new; parameters as of `time_checks`."""
    name = Columns.TIMESTAMP
    remedy = f"Check unit and format; if the numbers are only an order, call the column `{Columns.POSITION}`."
    yield Check.from_mask(f"{name} before 1990", times < EARLIEST_TIMESTAMP, raw, remedy, "WARN")
    late = times > latest_plausible_time()
    remedy = "Check the clock and the unit (seconds, milliseconds or microseconds since 1970)."
    yield Check.from_mask(f"{name} in the future", late, raw, remedy, "WARN")


def time_checks(times: pl.Series, raw: pl.Series) -> Iterator[Check]:
    """Check for times that are too old, too new, compact, or of mixed units.

    Parameters
    ----------
    times
        Seconds since 1970, null for what can't be read; shape (rows,).
    raw
        The same as they are in the file.
    """
    name = Columns.TIMESTAMP
    yield from moment_checks(times, raw)
    number = to_numbers(raw)
    number = pl.Series([None] * len(raw), dtype=pl.Float64) if number is None else number
    remedy = "Give all times in one unit and one format."
    mixed = number.is_not_null() & times.is_null()
    yield Check.from_mask(f"{name} of another unit or format than most", mixed, raw, remedy)
    compact = number.is_not_null() & (times == compact_seconds(raw, number))
    first = _moment(times.filter(compact.fill_null(False)))
    remedy = f"Nothing is lost if they are meant as dates: the first is read as {first}."
    yield Check.from_mask(f"{name} as a compact date", compact, raw, remedy, "WARN")
    if raw.dtype == pl.String:
        written = raw.str.strip_chars().str.contains(WRITTEN) & times.is_not_null()
        remedy = f"Nothing is lost: the first is read as {_moment(times.filter(written))}."
        yield Check.from_mask(f"{name} as day, month and year", written, raw, remedy, "WARN")


def _moment(times: pl.Series) -> str:
    return datetime.fromtimestamp(times[0], UTC).isoformat(" ") if len(times) else ""
