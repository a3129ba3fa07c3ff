"""Conditions on items, in the language of SQL's WHERE, over the columns that the data have.

polars reads them, but only what is let through here: its SQL has sub-queries, and these open files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.errors import RequestError, instead_of

KEYWORDS: Final = {"AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "BETWEEN"}
VALUES: Final = {"NULL", "TRUE", "FALSE"}
FUNCTIONS: Final = {
    name: name
    for name in (
        *("ABS", "ARRAY_CONTAINS", "ARRAY_LENGTH", "COALESCE", "DATE", "ENDS_WITH", "LENGTH", "LOWER"),
        *("REGEXP_LIKE", "ROUND", "STARTS_WITH", "UPPER"),
    )
}
"""Each looks at one item at a time, and takes time in proportion to the length of its text."""

LONGEST: Final = 20_000
"""Characters of a condition: a thousand ids."""

MOST_OPERATORS: Final = 50
"""Of a condition: polars takes much longer for many of them."""

DEEPEST: Final = 20
"""Parentheses within each other."""

AT_ONCE: Final = 64
"""Conditions that are worked out in one pass over the items."""

TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>'(?:[^'\\]|''|\\[^'])*')
    | (?P<quoted>"[^"\\]+")
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<bracket>[()])
    | (?P<sign><=|>=|<>|!=|!~\*|!~|~\*|[=<>~+*/%,-])""",
    re.VERBOSE,
)

CALL: Final = re.compile(r"\s*\(")


def columns_of(condition: str) -> list[str]:
    r"""List the columns that a condition names.

    Raises
    ------
    RequestError
        If it holds what conditions may not hold, with the place.

    Examples
    --------
    >>> columns_of("category = 'wine' AND (price < 5 OR \"on sale\")")
    ['category', 'price', 'on sale']
    >>> columns_of("price IN (SELECT price FROM prices)")
    Traceback (most recent call last):
    tailrank.errors.RequestError: `price IN (SELECT price FROM prices)`: an operator is missing before `price`
    """
    return [piece[1:-1] for kind, piece in _tokens(condition) if kind == "quoted"]


def as_expression(condition: str, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Make a condition one that polars works out.

    Parameters
    ----------
    condition
        Text.
    schema
        Types of the columns that items have, by their names.

    Raises
    ------
    RequestError
        If it isn't a condition on these columns.
    """
    known = {name: name for name in schema}
    for name in columns_of(condition):
        if name not in known:
            raise _fault(condition, f"items have no column `{name}`: {instead_of(name, known)}")
    try:
        expression = pl.sql_expr(" ".join(piece for _, piece in _tokens(condition)))
        [found] = pl.LazyFrame(schema=dict(schema)).select(expression).collect_schema().dtypes()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as why:
        raise _fault(condition, _reason(why)) from None
    if found not in (pl.Boolean, pl.Null):
        raise _fault(condition, "is neither true nor false: compare it with something")
    return expression


def met(condition: str) -> Callable[[pl.DataFrame], npt.NDArray[np.bool_]]:
    """Make what says which items of a frame meet a condition, shape (items,).

    It raises RequestError as `as_expression` and `matches` do.
    """

    def find(items: pl.DataFrame) -> npt.NDArray[np.bool_]:
        return matches([(condition, as_expression(condition, items.schema))], items)[:, 0] > 0

    return find


def matches(conditions: Sequence[tuple[str, pl.Expr]], items: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """Say which items meet which conditions; one whose columns say nothing meets none.

    Parameters
    ----------
    conditions
        Each as text and as `as_expression` makes it of that.
    items
        With the columns that they name.

    Returns
    -------
    numpy.ndarray
        A bit a condition, as `numpy.packbits` has them, shape (items, bytes).

    Raises
    ------
    RequestError
        If one can't be worked out, such as a pattern that is none.
    """
    found = np.zeros((len(items), -(-len(conditions) // 8)), np.uint8)
    for start in range(0, len(conditions), AT_ONCE):
        rows = np.array(list(_worked_out(conditions[start : start + AT_ONCE], items)), bool)
        packed = np.packbits(rows, axis=0).T
        found[:, start // 8 : start // 8 + packed.shape[1]] = packed
    return found


def _worked_out(
    conditions: Sequence[tuple[str, pl.Expr]], items: pl.DataFrame
) -> Iterator[npt.NDArray[np.bool_]]:
    """Work conditions out together or, so that a fault can be named, one by one."""
    columns = [_whole(expression).alias(str(at)) for at, (_, expression) in enumerate(conditions)]
    try:
        found = items.select(columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as why:
        if len(conditions) == 1:
            raise _fault(conditions[0][0], _reason(why)) from None
        for each in conditions:
            yield from _worked_out([each], items)
    else:
        yield from (column.to_numpy() for column in found)


def _whole(condition: pl.Expr) -> pl.Expr:
    """Make it one value an item, also if it names no column."""
    return pl.repeat(True, pl.len()) & condition.cast(pl.Boolean).fill_null(False)


def _tokens(condition: str) -> Iterator[tuple[str, str]]:
    """Split a condition as it may be handed on: words are words of this language, or quoted as columns."""
    if len(condition) > LONGEST:
        raise _fault(condition, f"has {len(condition):,} characters: {LONGEST:,} at most")
    at, depth, operators, before = 0, 0, 0, "sign"
    while at < len(condition):
        match = TOKEN.match(condition, at)
        if match is None:
            raise _fault(condition, f"can't be read from `{condition[at : at + 20]}` on")
        at, kind, piece = match.end(), str(match.lastgroup), match[0]
        if kind == "space":
            continue
        kind, piece = _as_known(condition, kind, piece, is_call=bool(CALL.match(condition, at)))
        is_operand = kind in ("text", "quoted", "number", "value", "function") or piece == "("
        if is_operand and before in ("operand", ")"):
            raise _fault(condition, f"an operator is missing before `{match[0]}`")
        if kind == "sign" and before == "sign" and piece != "-":
            raise _fault(condition, f"a value is missing before `{piece}`")
        depth += (piece == "(") - (piece == ")")
        operators += kind in ("sign", "keyword") and piece != ","
        if depth > DEEPEST or operators > MOST_OPERATORS:
            limits = f"{MOST_OPERATORS} operators at most, {DEEPEST} parentheses deep"
            raise _fault(condition, f"is too long: {limits}")
        before = piece if kind == "bracket" else "operand" if is_operand and kind != "function" else "sign"
        yield kind, piece


def _as_known(condition: str, kind: str, piece: str, is_call: bool) -> tuple[str, str]:
    """Tell words apart: those of this language, and columns."""
    if kind != "word":
        return kind, piece
    word = piece.upper()
    if word in KEYWORDS:
        return "keyword", word
    if is_call:
        if word not in FUNCTIONS:
            raise _fault(condition, f"there is no function `{piece}`: {instead_of(word, FUNCTIONS)}")
        return "function", word
    return ("value", word) if word in VALUES else ("quoted", f'"{piece}"')


def _reason(why: BaseException) -> str:
    """Shorten what polars says to one line."""
    return " ".join(str(why).partition("This error occurred")[0].split())[:200]


def _fault(condition: str, why: str) -> RequestError:
    shown = condition if len(condition) <= 60 else f"{condition[:25]}…"
    return RequestError(f"`{shown}`: {why}")
