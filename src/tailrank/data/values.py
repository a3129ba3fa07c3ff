"""Conversion of columns to their canonical types; a value that can't be read becomes null.

Each function takes a column and returns one of the same length, or None if the column's type can't be
read at all.
"""

from typing import Final

import polars as pl

from tailrank.data.time_formats import (
    coarse_format,
    compact_seconds,
    is_plausible,
    iso_seconds,
    written_seconds,
)

MAX_SECONDS: Final = 1e11
"""Numbers are seconds up to year 5138; read as milliseconds, the same number is March 1973."""

UNITS: Final = ((0.0, 1.0), (MAX_SECONDS, 1e3), (MAX_SECONDS * 1e3, 1e6), (MAX_SECONDS * 1e6, 1e9))
"""Smallest size of a time in each unit, and units a second."""

NAMES: Final = ("name", "title", "label", "value")
"""Fields of which one, the first that there is, is the text of an object in a list."""

COARSE_SHARE: Final = 0.9
"""At least so many numbers are years, months or days if the column holds these: of an order, fewer are."""

FIRST_DAYS: Final = -62_000_000_000
"""Seconds since 1970 near the beginning of the year 6: before, it's the zero of a program, and no time."""


def to_ids(column: pl.Series) -> pl.Series | None:
    """Read ids: text or whole numbers, as text.

    Examples
    --------
    >>> to_ids(pl.Series([3, None])).to_list()
    ['3', None]
    """
    text = _whole_text(column)
    return None if text is None else text.set(text.str.strip_chars() == "", None)


def to_stored_ids(column: pl.Series) -> pl.Series | None:
    """Read ids of a whole table, which shows if a program took whole numbers for floating-point ones.

    Raises
    ------
    ValueError
        If most are text such as 7.0, and no number among them is written in another way.

    Examples
    --------
    >>> to_stored_ids(pl.Series(["1.0", "1.5"])).to_list()
    ['1.0', '1.5']
    """
    text = to_ids(column)
    if text is not None and _are_floats(text):
        first = text.filter(text.str.ends_with(".0"))[0]
        raise ValueError(
            f"holds floating-point numbers, such as {first}: a missing value turns a column of whole numbers "
            f"into these (pandas). Write {first.removesuffix('.0')}, as text or a whole number"
        )
    return text


def _are_floats(ids: pl.Series) -> bool:
    """Whether ids, as text, are those of a table that turned whole numbers into 7.0."""
    # Almost no table has such text at all, so that the slower pattern is seldom matched.
    if 2 * (ids.str.ends_with(".0").sum()) <= ids.count():
        return False
    whole = ids.str.contains(r"^-?\d+\.0$")
    numbers = ids.str.contains(r"^-?\d+(\.\d+)?$")
    return 2 * whole.sum() > ids.count() and whole.sum() == numbers.sum()


def to_labels(column: pl.Series) -> pl.Series | None:
    """Read names such as event types."""
    return column.cast(pl.String) if _is_text(column.dtype) else None


def to_texts(column: pl.Series) -> pl.Series | None:
    """Read item text: text, whole numbers (a title such as 1984), lists of text or of objects with names.

    Examples
    --------
    >>> to_texts(pl.Series([[{"id": 28, "name": "Action"}, {"id": 12, "name": "Drama"}]])).to_list()
    [['Action', 'Drama']]
    """
    while isinstance(column.dtype, pl.List):
        inner = column.dtype.inner
        if isinstance(inner, pl.List):  # of lists: a path in a tree of categories each
            column = column.list.eval(pl.element().list.explode()).list.unique(maintain_order=True)
        elif isinstance(inner, pl.Struct) and (named := [key for key in NAMES if key in inner.to_schema()]):
            column = column.list.eval(pl.element().struct.field(named[0]))
        else:
            return column.cast(pl.List(pl.String)) if _is_text(inner) else None
    return _whole_text(column)


def to_numbers(column: pl.Series) -> pl.Series | None:
    """Read finite numbers, as Float64; also with decimal commas, if the column has them throughout.

    Examples
    --------
    >>> to_numbers(pl.Series(["1.5", "nan", "two"])).to_list()
    [1.5, None, None]
    >>> to_numbers(pl.Series(["1,5", "1.234,56", "2"])).to_list()
    [1.5, 1234.56, 2.0]
    """
    if _is_text(column.dtype):
        column = _with_points(column.cast(pl.String).str.strip_chars())
    elif not column.dtype.is_numeric():
        return None
    number = column.cast(pl.Float64, strict=False)
    return number.set(~number.is_finite(), None)


def to_integers(column: pl.Series) -> pl.Series | None:
    """Read whole numbers, as Int64."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    number = to_numbers(column)
    return None if number is None else number.set(number != number.floor(), None).cast(pl.Int64, strict=False)


def to_booleans(column: pl.Series) -> pl.Series | None:
    """Read true and false, 1 and 0, as Boolean."""
    if column.dtype == pl.Boolean:
        return column
    if not (column.dtype.is_numeric() or _is_text(column.dtype)):
        return None
    text = column.cast(pl.String).str.to_lowercase()
    booleans = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    return text.replace_strict(booleans, default=None, return_dtype=pl.Boolean)


def to_seconds(column: pl.Series) -> pl.Series | None:
    """Read times, as seconds since 1970 in Float64.

    Numbers are seconds, milliseconds, microseconds or nanoseconds, one unit for the whole column,
    chosen by the size of its median: seconds below 1e11, milliseconds below 1e14, and so on. If most
    numbers are compact dates such as 20240131 or 20240131093000, they are read as such. Among times,
    numbers of another unit's size, and those of another format, can't be read. Numbers none of which is a
    plausible time are an order. Text is a number, ISO-8601 or day, month and year; dates and times without a
    zone are UTC.

    Raises
    ------
    ValueError
        If the numbers are years, months or days of a spreadsheet, or days and months can't be told apart.

    Examples
    --------
    >>> to_seconds(pl.Series([1_700_000_000_500, 1_700_000_001_000])).to_list()
    [1700000000.5, 1700000001.0]
    >>> to_seconds(pl.Series([20240131, 1_700_000_000])).to_list()
    [None, 1700000000.0]
    >>> to_seconds(pl.Series(["1970-01-02", "1970-01-01T01:00:00+01:00", "soon"])).to_list()
    [86400.0, 0.0, None]
    """
    if column.dtype.is_temporal():
        if not isinstance(column.dtype, pl.Date | pl.Datetime):
            return None
        if column.dtype == pl.Date:  # databases' infinity would overflow in microseconds
            seconds = column.dt.epoch("s").cast(pl.Float64)
        else:
            seconds = column.dt.epoch("us") / 1e6
    else:
        number = to_numbers(column)
        if number is None:
            return None
        if _is_text(column.dtype) and number.null_count() > column.null_count():
            text = column.cast(pl.String).str.strip_chars()
            dates = iso_seconds(text).fill_null(written_seconds(text))
            seconds = _seconds(column, number, beside_dates=dates.count() > 0)
            seconds = seconds.zip_with(number.is_not_null(), dates)
        else:
            seconds = _seconds(column, number)
    return seconds.set((seconds.abs() >= MAX_SECONDS) | (seconds < FIRST_DAYS), None).alias(column.name)


def _is_text(dtype: object) -> bool:
    return dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)


def _whole_text(column: pl.Series) -> pl.Series | None:
    return column.cast(pl.String) if _is_text(column.dtype) or column.dtype.is_integer() else None


def _with_points(text: pl.Series) -> pl.Series:
    """Write decimal commas as points, unless they may be something else: 1,234 alone may be a thousand."""
    commas = text.str.contains(",", literal=True).fill_null(False)
    if not commas.any():
        return text
    german = text.filter(commas).str.contains(r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$").all()
    clear = text.str.contains(r",(\d{1,2}|\d{4,})$").any()
    if not (german and clear) or text.filter(~commas).str.contains(r"\.(\d{1,2}|\d{4,})$").any():
        return text
    return text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)


def _seconds(column: pl.Series, number: pl.Series, beside_dates: bool = False) -> pl.Series:
    """Convert numeric times to seconds, whatever their unit or format; others may be dates."""
    compact, n = compact_seconds(column, number), number.count()
    if 2 * compact.count() > n:
        return compact
    seconds = _from_unit(number)
    plausible = is_plausible(seconds).fill_null(False)
    if plausible.sum() == n:
        return seconds
    name, coarse = coarse_format(number)
    if beside_dates or plausible.any():
        return seconds.set(~plausible & (compact.is_not_null() | coarse.fill_null(False)), None)
    if n and coarse.sum() >= COARSE_SHARE * n:
        raise ValueError(
            f"holds {name}, such as {number.filter(coarse)[0]:.15g}, and no times: give dates such as "
            "2024-01-31, or seconds since 1970; an order goes into `position`"
        )
    return seconds


def _from_unit(number: pl.Series) -> pl.Series:
    """Convert times in one unit to seconds, by the size of their median."""
    median = number.abs().median()
    middle = float(median) if isinstance(median, int | float) else 0.0
    least, units = next(unit for unit in reversed(UNITS) if middle >= unit[0])
    return number.set(number.abs() < least, None) / units
