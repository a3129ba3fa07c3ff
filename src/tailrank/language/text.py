"""The text of an item, put together from its columns."""

from __future__ import annotations

import ast
import re
from string import Formatter
from typing import Final

import msgspec
import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.values import NAMES
from tailrank.errors import DataError

REPEATED_SHARE: Final = 0.99
_SEPARATORS = " \t\n.,;:|/-\u2013\u2014\u2022\u00b7"
_PLAIN: Final = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Date, pl.Datetime, pl.Time, pl.Null)
_ESCAPE: Final = r"""\\(?:['"\\nrt]|x[0-9a-f]{2}|u(?!d[89a-f])[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})"""
_QUOTED: Final = rf"""(?:'(?:[^'\\\x00\r\n]|{_ESCAPE})*'|"(?:[^"\\\x00\r\n]|{_ESCAPE})*")"""
_NAMES: Final = re.compile(rf"""(['"])({"|".join(NAMES)})\1\s*:\s*({_QUOTED})""")
_OBJECTS: Final = re.compile(r"^\s*\[\s*\{.*\}\s*\]\s*$", re.DOTALL)
"""Of text, as JSON and Python print a list of objects, and the names in it."""
_ELEMENT: Final = rf"(?:{_QUOTED}|None|nan|NaT|<NA>)"
_PYTHON_LIST: Final = re.compile(rf"\s*\[\s*{_ELEMENT}(?:(?:, *|\s+){_ELEMENT})*\s*\]\s*")
"""Of text, as Python, pandas and NumPy print it; the latter without commas."""
_CLOSERS = ")]}>»”\"'"


def item_texts(items: pl.DataFrame, template: str | None = None) -> list[str]:
    """Write one text an item.

    Parameters
    ----------
    items
        One row an item.
    template
        Column names in braces, such as `{title} ({year}). {genres}`. A list becomes `a, b`. If a
        value is missing, the words and marks in front of it go with it; what precedes the first
        column stays, so that an encoder's prefix can stand there. None joins with `. ` those of
        `Columns.TEXT` that the table has, without the ones that another of them repeats in at
        least 99% of the items.

    Returns
    -------
    list[str]
        Shape (items,); empty if an item has no value in any of the columns.

    Raises
    ------
    DataError
        If the template isn't well formed or names no or unknown columns, a column can't be
        written as text, or no column is left to read.

    Examples
    --------
    >>> items = pl.DataFrame({"title": ["Tea", "Mug"], "genres": [["green", "loose"], None]})
    >>> item_texts(items, "{title} ({genres})")
    ['Tea (green, loose)', 'Mug']
    >>> item_texts(items)
    ['Tea. green, loose', 'Mug']
    """
    fields, literals = _parse(default_template(items) if template is None else template, items.columns)
    values = items.select(_as_text(items.schema, name) for name in dict.fromkeys(fields))
    return values.select(_filled(fields, literals)).to_series().to_list()


def default_template(items: pl.DataFrame) -> str:
    """Name the usual text columns that a table has, but for empty ones and those that another repeats.

    Raises
    ------
    DataError
        If none has any text.

    Examples
    --------
    >>> default_template(pl.DataFrame({"title": ["Tea", "Mug"], "genres": ["green", ""], "text": ["", ""]}))
    '{title}. {genres}'
    """
    values = items.select(_as_text(items.schema, name) for name in Columns.TEXT if name in items.columns)
    kept = [series.name for series in values if (series != "").any()]
    if not kept:
        raise DataError(
            f"items have no text in any of the columns {', '.join(Columns.TEXT)}: rename one, "
            f"or give a template with your own columns ({', '.join(items.columns)})"
        )
    for name in tuple(kept):
        if any(_repeated(values, name, other) for other in kept if other != name):
            kept.remove(name)
    return ". ".join(f"{{{name}}}" for name in kept)


def template_columns(template: str) -> list[str]:
    """Name the columns that a well-formed template reads.

    Examples
    --------
    >>> template_columns("query: {title} ({year})")
    ['title', 'year']
    """
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def _parse(template: str, columns: list[str]) -> tuple[list[str], list[str]]:
    """Read `{column}` fields, and nothing else of Python's format language.

    Returns
    -------
    fields, literals
        `literals[i]` stands before `fields[i]`; the last literal ends the text.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise DataError(
            f"template {template!r} is not well formed ({error}): write columns as {{title}}"
        ) from None
    fields: list[str] = []
    literals = [""]
    for literal, name, spec, conversion in parts:
        literals[-1] += literal
        if name is None:
            continue
        if name not in columns or spec or conversion:
            wrong = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise DataError(
                f"template {template!r}: {wrong!r} is not a column; items have {', '.join(columns)}"
            )
        fields.append(name)
        literals.append("")
    if not fields:
        raise DataError(f"template {template!r} names no column: write, for example, {{{columns[0]}}}")
    return fields, literals


def _filled(fields: list[str], literals: list[str]) -> pl.Expr:
    """Fill a template in for every row; with a missing value goes the literal before it."""
    any_yet, nothing = pl.lit(False), pl.lit("")
    pieces = [pl.lit(literals[0])]
    for i, name in enumerate(fields):
        value = pl.col(name)
        opening = _split(literals[i])[1] if i else ""
        lead = pl.when(any_yet).then(pl.lit(opening)).otherwise(pl.lit(opening.lstrip(_SEPARATORS)))
        closing = pl.lit(_split(literals[i + 1])[0])
        pieces.append(pl.when(value != "").then(pl.concat_str(lead, value, closing)).otherwise(nothing))
        any_yet = any_yet | (value != "")
    pieces.append(pl.lit(_split(literals[-1])[1]))
    return pl.when(any_yet).then(pl.concat_str(pieces)).otherwise(nothing).str.strip_chars()


def _split(literal: str) -> tuple[str, str]:
    """Cut a literal into the brackets and quotes that close the value before it, and the rest."""
    rest = literal.lstrip(_CLOSERS)
    return literal[: len(literal) - len(rest)], rest


def _as_text(schema: pl.Schema, name: str) -> pl.Expr:
    """Write a column's values as strings, missing ones as empty strings."""
    column, dtype = pl.col(name), schema[name]
    if isinstance(dtype, pl.Array):
        column, dtype = column.arr.to_list(), pl.List(dtype.inner)
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    if not (inner.is_numeric() or inner in _PLAIN):
        raise DataError(
            f"column {name!r} holds {dtype}, which can't be written as text: leave it out of the template"
        )
    if isinstance(dtype, pl.List):
        column = column.cast(pl.List(pl.String)).list.drop_nulls().list.join(", ")
    elif dtype == pl.String:
        column = column.map_batches(_without_brackets, pl.String)
    return column.cast(pl.String).fill_null("").str.strip_chars().alias(name)


def _without_brackets(column: pl.Series) -> pl.Series:
    """Join the values of cells that hold a whole list, as CSV and columns of mixed types write it."""
    cells = column.str.contains(r"^\s*\[(?s:.*)\]\s*$").fill_null(False)
    if not cells.any():
        return column
    values = (_joined(cell) if whole else cell for cell, whole in zip(column, cells, strict=True))
    return pl.Series(column.name, values, dtype=pl.String)


def _joined(cell: str) -> str:
    """Write a list in JSON, or of plain text in Python's notation, as `a, b`; of objects, their names."""
    if _OBJECTS.match(cell):
        return ", ".join(_names(cell)) or cell
    try:
        values = msgspec.json.decode(cell, type=list[str | int | float | bool | None])
    except (msgspec.DecodeError, RecursionError):
        is_list = _PYTHON_LIST.fullmatch(cell)
        return ", ".join(map(ast.literal_eval, re.findall(_QUOTED, cell))) if is_list else cell
    texts = (value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values)
    return ", ".join(text for text, value in zip(texts, values, strict=True) if value is not None)


def _names(cell: str) -> list[str]:
    """Take the names out of a list of objects, as JSON and Python print it."""
    try:
        objects = msgspec.json.decode(cell, type=list[dict[str, object]])
    except (msgspec.DecodeError, RecursionError):
        found = [(key, ast.literal_eval(value)) for _, key, value in _NAMES.findall(cell)]
    else:
        found = [(key, str(value)) for each in objects for key, value in each.items() if value is not None]
    kinds = {key for key, _ in found}
    chosen = next((key for key in NAMES if key in kinds), None)
    return [name for key, name in found if key == chosen]


def _repeated(values: pl.DataFrame, name: str, other: str) -> bool:
    """Whether nearly all values of a column occur within the same item's value of another."""
    rows = values.filter(pl.col(name) != "")
    hits = rows.select(pl.col(other).str.contains(pl.col(name), literal=True)).to_series()
    return int(hits.sum()) >= REPEATED_SHARE * len(rows)
