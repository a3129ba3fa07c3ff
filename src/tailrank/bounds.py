"""Bounds of settings: declared beside the type of a field, checked in one place."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta

from tailrank.errors import RequestError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

WORDS: Final = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
"""How a message says each of `msgspec.Meta`'s bounds."""


def check_bounds(settings: DataclassInstance) -> None:
    """Hold the fields of a dataclass to what their types declare; None is exempt.

    Parameters
    ----------
    settings
        Fields may be `Annotated[float, Meta(ge=0, le=1)]` or `Literal[...]`, each also with `| None`.

    Raises
    ------
    RequestError
        Naming the first field that is out of bounds, its bounds and its value.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Serving:
    ...     workers: Annotated[int, Meta(ge=1)] = 1
    >>> check_bounds(Serving(workers=0))
    Traceback (most recent call last):
    tailrank.errors.RequestError: workers must be at least 1, not 0
    """
    for name, demand in _demands(type(settings)).items():
        value = getattr(settings, name)
        if value is not None and not _holds(demand, value):
            raise RequestError(f"{name} must be {_in_words(demand)}, not {value!r}")


@lru_cache
def _demands(kind: type) -> dict[str, Meta | tuple[Any, ...]]:
    """Find the bounds or the choices of each field that has some."""
    found: dict[str, Meta | tuple[Any, ...]] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for part in (hint, *get_args(hint)):
            if get_origin(part) is Literal:
                found[name] = get_args(part)
            elif get_origin(part) is Annotated:
                [found[name]] = [meta for meta in get_args(part)[1:] if isinstance(meta, Meta)]
    return found


def _holds(demand: Meta | tuple[Any, ...], value: Any) -> bool:
    if isinstance(demand, tuple):
        return value in demand
    return all(getattr(operator, word)(value, bound) for word, bound in _bounds(demand).items())


def _in_words(demand: Meta | tuple[Any, ...]) -> str:
    if isinstance(demand, tuple):
        return f"one of {', '.join(map(str, demand))}"
    return " and ".join(f"{WORDS[word]} {bound:g}" for word, bound in _bounds(demand).items())


def _bounds(meta: Meta) -> dict[str, float]:
    return {word: bound for word in WORDS if (bound := getattr(meta, word)) is not None}
