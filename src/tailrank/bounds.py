"""Bounds of values: those of ids and times, and those of settings, declared beside the type of a field."""

from __future__ import annotations

import math
import operator
import time
import typing
from collections.abc import Iterable
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta

from tailrank.errors import RequestError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_ID_BYTES: Final = 400
"""Of UTF-8, in an id of a user, an item or an event."""

MAX_TEXT: Final = 500
"""Characters of what a user says among the events of a history."""

MAX_LONG_TEXT: Final = 10_000
"""Characters of a text to label, and of a question in what a support desk learns from."""

EARLIEST_TIMESTAMP: Final = 631_152_000
"""Seconds since 1970: the beginning of 1990. A smaller number has another unit or format, or is an order."""

LATEST_TIMESTAMP: Final = 4_102_444_800
"""Seconds since 1970: the beginning of 2100. No time is later, whatever the clock of this machine says."""

CLOCK_TOLERANCE: Final = 86_400
"""Seconds by which the clock of whoever sends an event may be ahead of ours."""

SHOWN_HOURS: Final = 168
"""For how long it is remembered that a list was shown: a week."""

LISTS_SHOWN: Final = 30
"""Latest lists that are remembered of a user."""

OPERATORS: Final = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
"""Each bound of `msgspec.Meta`, and how a message says it."""

TYPES: Final[dict[type, str]] = {int: "a whole number", float: "a number", str: "text"}
"""The types that are checked, in words."""

Bounds: TypeAlias = dict[str, float] | tuple[Any, ...]
"""Limits by operator, or the values to choose from."""


def as_list(name: str, given: Iterable[Any]) -> list[Any]:
    """List ids that may come in anything iterable but a string, whose letters would count as ids.

    Raises
    ------
    RequestError
        If it is one, or not iterable.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise RequestError(f"{name} must be a list of item ids, not {given!r}")
    return list(given)


def latest_plausible_time() -> float:
    """Return the latest time that an event may have now, in seconds since 1970."""
    return time.time() + CLOCK_TOLERANCE


def check_time(seconds: float, earliest: float = EARLIEST_TIMESTAMP) -> None:
    """Check that something can have happened at a time.

    Parameters
    ----------
    seconds
        Since 1970.
    earliest
        Another bound, if times may be no more than an order.

    Raises
    ------
    ValueError
        If it is before `earliest` or more than `CLOCK_TOLERANCE` ahead of now, with the remedy.

    Examples
    --------
    >>> check_time(1_717_200_000)
    >>> check_time(1_717_200_000_000)
    Traceback (most recent call last):
    ValueError: timestamp 1717200000000 is in the future: send seconds since 1970, not milliseconds
    >>> check_time(20240601)
    Traceback (most recent call last):
    ValueError: timestamp 20240601 is before 1990: send seconds since 1970
    """
    if not seconds >= earliest:
        year = time.gmtime(earliest).tm_year
        raise ValueError(f"timestamp {seconds:.15g} is before {year}: send seconds since 1970")
    if seconds > latest_plausible_time():
        remedy = "not milliseconds" if seconds > LATEST_TIMESTAMP else "by a clock that is right"
        raise ValueError(f"timestamp {seconds:.15g} is in the future: send seconds since 1970, {remedy}")


def check_bounds(settings: DataclassInstance) -> None:
    """Check that fields of a dataclass have the types and are within the bounds that it declares.

    Parameters
    ----------
    settings
        Fields may be `Annotated[float, Meta(ge=0, le=1)]` or `Literal[...]`, each also with `| None`. Of
        other types than int, float and str, nothing is checked.

    Raises
    ------
    RequestError
        Naming the first field of another type, out of bounds or infinite, and its value.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Serving:
    ...     workers: Annotated[int, Meta(ge=1)] = 1
    >>> check_bounds(Serving(workers=0))
    Traceback (most recent call last):
    tailrank.errors.RequestError: workers must be at least 1, not 0
    >>> check_bounds(Serving(workers="two"))
    Traceback (most recent call last):
    tailrank.errors.RequestError: workers must be a whole number, not 'two'
    """
    for name, (types, bounds) in _rules_by_field(type(settings)).items():
        value = getattr(settings, name)
        if types and not any(_is_of(value, one) for one in types):
            words = " or ".join(TYPES[one] for one in types if one in TYPES)
            raise RequestError(f"{name} must be {words}, not {value!r}")
        if value is not None and not _is_within(bounds, value):
            raise RequestError(f"{name} must be {_in_words(bounds)}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise RequestError(f"{name} must be finite, not {value!r}")


@lru_cache
def _rules_by_field(settings_type: type) -> dict[str, tuple[tuple[type, ...], Bounds]]:
    """Read the types of each field, none if they aren't checked, and its bounds."""
    found: dict[str, tuple[tuple[type, ...], Bounds]] = {}
    for name, hint in typing.get_type_hints(settings_type, include_extras=True).items():
        parts = (hint, *typing.get_args(hint)) if typing.get_origin(hint) is not None else (hint,)
        bounds: Bounds = {}
        for part in parts:
            if typing.get_origin(part) is Literal:
                bounds = typing.get_args(part)
            elif typing.get_origin(part) is Annotated:
                metas = [meta for meta in part.__metadata__ if isinstance(meta, Meta)]
                limits = [(word, getattr(meta, word)) for meta in metas for word in OPERATORS]
                bounds = {word: limit for word, limit in limits if limit is not None}
        types = _alternatives(hint)
        checked = not isinstance(bounds, tuple) and all(one in (*TYPES, NoneType) for one in types)
        found[name] = types if checked else (), bounds
    return found


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """List the types of a union, or the only one, without what annotates them."""
    if typing.get_origin(hint) is Annotated:
        return _alternatives(hint.__origin__)
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return tuple(one for part in typing.get_args(hint) for one in _alternatives(part))
    return (hint,)


def _is_of(value: object, expected: type) -> bool:
    """Whether a value is of a type; numbers of other libraries count as numbers."""
    if expected is int:
        try:
            operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            return False
        return True
    return hasattr(value, "__float__") if expected is float else isinstance(value, expected)


def _is_within(bounds: Bounds, value: Any) -> bool:
    if isinstance(bounds, tuple):
        return value in bounds
    return all(getattr(operator, word)(value, limit) for word, limit in bounds.items())


def _in_words(bounds: Bounds) -> str:
    if isinstance(bounds, tuple):
        return f"one of {', '.join(map(str, bounds))}"
    return " and ".join(f"{OPERATORS[word]} {limit:g}" for word, limit in bounds.items())
