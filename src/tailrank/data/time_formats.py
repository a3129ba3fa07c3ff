"""Times as data write them: ISO-8601, compact dates such as 20240131, and what is too coarse to be a time."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Final

import polars as pl

from tailrank.bounds import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP

ISO: Final = (
    r"^(?<date>\d{4}-\d\d-\d\d)(?:[T ](?<minute>\d\d:\d\d)(?::(?<second>\d\d)(?<fraction>\.\d+)?)?)?"
    r"(?: ?(?:Z|UTC|(?<sign>[+-])(?<hours>\d\d):?(?<minutes>\d\d)?)(?:\[.+\])?)?$"
)
"""With what databases write for a zone, and Java after it."""
BASIC: Final = r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?"
"""ISO-8601 without separators."""

WRITTEN: Final = (
    r"^(?<first>\d{1,2})(?<mark>[./-])(?<second>\d{1,2})[./-](?<year>\d{4})"
    r"(?:,? +(?<hour>\d{1,2}):(?<minute>\d\d)(?::(?<seconds>\d\d))?)?$"
)
"""Dates as people write them: with points, the day comes first; else the whole column has to tell."""

COMPACT_DIGITS: Final = (8, 10, 12, 14, 17)
"""Of a date alone, and one to hours, minutes, seconds and milliseconds."""

YEARS: Final = 1990, 2100
"""The first year of a plausible time, and the first one after them."""

SPREADSHEET_DAYS: Final = 32_874, 73_051
"""The same as days of a spreadsheet, which counts from the end of 1899."""


def iso_seconds(text: pl.Series) -> pl.Series:
    """Read ISO-8601 dates and times, each with its own zone or none, as seconds since 1970; others are null.

    Examples
    --------
    >>> iso_seconds(pl.Series(["1970-01-02", "19700101T010000+0100", "1970-02-30"])).to_list()
    [86400.0, 0.0, None]
    """
    if text.str.contains(BASIC).any():
        text = text.str.replace(BASIC, "$1-$2-${3}T$4:$5:$6").str.replace(r":($|[^\d])", "$1")
    part = text.str.extract_groups(ISO).struct.field
    clock = pl.concat_str(
        part("date"),
        pl.lit(" "),
        part("minute").fill_null("00:00"),
        pl.lit(":"),
        part("second").fill_null("00"),
    )
    offset = (
        part("hours").cast(pl.Float64).fill_null(0) * 3600
        + part("minutes").cast(pl.Float64).fill_null(0) * 60
    )
    ahead = pl.when(part("sign") == "-").then(-offset).otherwise(offset)
    whole = clock.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False).dt.epoch("s")
    return pl.select(whole + part("fraction").cast(pl.Float64).fill_null(0) - ahead).to_series()


def written_seconds(text: pl.Series) -> pl.Series:
    """Read dates and times such as `31.12.2024 14:05` or `12/31/2024` as seconds since 1970; others are null.

    Raises
    ------
    ValueError
        If none of the dates tells whether the day or the month comes first.

    Examples
    --------
    >>> written_seconds(pl.Series(["2.1.1970 01:00", "1970-01-02"])).to_list()
    [90000.0, None]
    >>> written_seconds(pl.Series(["1/2/1970", "1/31/1970"])).to_list()
    [86400.0, 2592000.0]
    """
    part = text.str.extract_groups(WRITTEN).struct.unnest()
    first, second = (part[name].cast(pl.Int32) for name in ("first", "second"))
    pointed = part["mark"] == "."
    n_days_first, n_months_first = int((first > 12).sum()), int((second > 12).sum())
    if not (n_days_first or n_months_first) and (~pointed).any():
        raise ValueError(
            f"holds dates such as {text.filter(~pointed)[0]}, in which day and month can't be told apart: "
            "give dates such as 2024-01-31"
        )
    swapped = ~pointed if n_months_first > n_days_first else pl.lit(False)
    month, day = (
        pl.when(swapped).then(one).otherwise(other)
        for one, other in (("first", "second"), ("second", "first"))
    )
    clock = (pl.col(name).fill_null("00").str.zfill(2) for name in ("hour", "minute", "seconds"))
    moment = pl.concat_str("year", month.str.zfill(2), day.str.zfill(2), *clock, separator=" ")
    read = part.select(
        moment.str.to_datetime("%Y %m %d %H %M %S", time_unit="us", strict=False).dt.epoch("s")
    )
    return read.to_series().cast(pl.Float64)


def compact_seconds(column: pl.Series, number: pl.Series) -> pl.Series:
    """Read whole numbers that are compact dates between 1990 and 2100 as seconds since 1970; others are null.

    Parameters
    ----------
    column
        Text or numbers.
    number
        The same as Float64, null for what is no number.

    Examples
    --------
    >>> numbers = pl.Series([20240131, 20240131093000, 20240230, 19], dtype=pl.Float64)
    >>> compact_seconds(numbers, numbers).to_list()
    [1706659200.0, 1706693400.0, None, None]
    """
    likely = reduce(or_, (_starts_with_year(number, digits) for digits in COMPACT_DIGITS))
    if not likely.any():
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, len(column))
    if column.dtype.is_float():
        column = number.cast(pl.Int64, strict=False)
    text = column.cast(pl.String).str.strip_chars().str.replace(r"\.0*$", "")
    digits = text.set(~likely.fill_null(False), None).str.pad_end(max(COMPACT_DIGITS), "0")
    seconds = digits.str.to_datetime("%Y%m%d%H%M%S%3f", time_unit="us", strict=False).dt.epoch("us") / 1e6
    return seconds.set(~is_plausible(seconds), None)


def coarse_format(number: pl.Series) -> tuple[str, pl.Series]:
    """Name the format of most numbers that could be years, months or days of a spreadsheet.

    Returns
    -------
    tuple[str, pl.Series]
        What they are, in words, and which numbers it fits, shape (rows,).
    """
    whole, month = number == number.floor(), number % 100
    formats = {
        "years": whole & _starts_with_year(number, 4),
        "months": whole & _starts_with_year(number, 6) & month.is_between(1, 12),
        "days of a spreadsheet": number.is_between(*SPREADSHEET_DAYS, closed="left"),
    }
    return max(formats.items(), key=lambda found: int(found[1].sum()))


def is_plausible(seconds: pl.Series) -> pl.Series:
    """Whether times lie between 1990 and 2100; null for null."""
    return seconds.is_between(EARLIEST_TIMESTAMP, LATEST_TIMESTAMP)


def _starts_with_year(number: pl.Series, digits: int) -> pl.Series:
    first, end = (year * 10 ** (digits - 4) for year in YEARS)
    return number.is_between(first, end, closed="left")
