"""Mappings that a few entries are added to without a copy of all."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping
from math import isqrt
from typing import Final, TypeVar

FEW: Final = 64
"""Recent entries that are never worth a copy of the others."""

V = TypeVar("V")


def no_layers() -> ChainMap[str, V]:
    """Start with nothing: recent entries, which hide older ones of the same name, and older ones."""
    return ChainMap({}, {})


def with_layer(mapping: ChainMap[str, V], entries: Mapping[str, V]) -> ChainMap[str, V]:
    """Add entries. The recent ones are copied; the older ones only when those are more than their root.

    Examples
    --------
    >>> one = with_layer(no_layers(), {"a": 1, "b": 2})
    >>> dict(with_layer(one, {"b": 3, "c": 4})), dict(one)
    ({'a': 1, 'b': 3, 'c': 4}, {'a': 1, 'b': 2})
    """
    recent, older = mapping.maps
    recent = {**recent, **entries}
    if len(recent) > FEW + isqrt(len(older)):
        return ChainMap({}, {**older, **recent})
    return ChainMap(recent, older)


def without(mapping: ChainMap[str, V], names: Collection[str]) -> ChainMap[str, V]:
    """Leave out entries, in a copy of all if there are any.

    Examples
    --------
    >>> dict(without(with_layer(no_layers(), {"a": 1, "b": 2}), ["a", "c"]))
    {'b': 2}
    """
    if not any(name in mapping for name in names):
        return mapping
    left = dict(mapping)
    for name in names:
        left.pop(name, None)
    return ChainMap({}, left)
