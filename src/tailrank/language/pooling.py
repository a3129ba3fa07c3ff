"""One vector out of those of a text's tokens, as sentence-transformers names the ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from tailrank.arrays import Floats

OLD_NAMES: Final = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
"""How files say it that were written before version 6 of sentence-transformers."""


def modes_of(config: dict[str, Any]) -> list[str]:
    """Read which ways a `1_Pooling/config.json` asks for; their vectors stand side by side.

    Examples
    --------
    >>> modes_of({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    ['cls']
    >>> modes_of({"pooling_mode": "lasttoken"})
    ['lasttoken']
    """
    named = config.get("pooling_mode")
    if named is not None:
        return named if isinstance(named, list) else [named]
    asked = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
    return [OLD_NAMES.get(name, name) for name in asked]


def mean(tokens: Floats, mask: Floats) -> Floats:
    """Average the vectors of tokens, shape (texts, tokens, d), where the mask, shape (texts, tokens), is 1.

    Examples
    --------
    >>> mean(np.array([[[1.0], [3.0], [9.0]]], np.float32), np.array([[1, 1, 0]], np.float32)).tolist()
    [[2.0]]
    """
    averaged: Floats = np.einsum("ntd,nt->nd", tokens, mask) / np.maximum(mask.sum(1, keepdims=True), 1)
    return averaged


def first(tokens: Floats, mask: Floats) -> Floats:
    """Take the first token's vector, behind padding if that comes first."""
    taken: Floats = tokens[np.arange(len(tokens)), mask.argmax(1)]
    return taken


def last(tokens: Floats, mask: Floats) -> Floats:
    """Take the last token's vector, before padding if that comes last."""
    return first(tokens[:, ::-1], mask[:, ::-1])


def largest(tokens: Floats, mask: Floats) -> Floats:
    """Take the largest number of each dimension."""
    found: Floats = np.where(mask[:, :, None] > 0, tokens, -np.inf).max(1)
    return found


POOLINGS: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "mean": mean,
    "cls": first,
    "lasttoken": last,
    "max": largest,
}
