"""Exposure of the long tail, traded against accuracy."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Floats, Offsets
from tailrank.errors import RequestError

FULL: Final = 4.0
"""Log-odds that the dial at 1 gives an unseen item over the most popular one: a factor of 55."""


def rarity(counts: Offsets) -> Floats:
    """Say how little known each item is: 1 without any interaction, 0 for the most popular.

    Linear in log(1 + count), the scale on which popularity is spread.

    Parameters
    ----------
    counts
        Interactions in training, shape (items,).

    Examples
    --------
    >>> rarity(np.array([0, 9, 99])).round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    known = np.log1p(counts)
    rare: Floats = (1 - known / (known.max(initial=0) or 1)).astype(np.float32)
    return rare


def promote(scores: Floats, rare: Floats, dial: float) -> Floats:
    """Raise scores in proportion to rarity: a popularity penalty as in Steck (2011).

    Parameters
    ----------
    scores
        Fused scores in log-odds, shape (..., items).
    rare
        `rarity` of the items, shape (items,).
    dial
        From 0, which changes nothing, to 1, which adds `FULL` to an unseen item.

    Raises
    ------
    RequestError
        On a dial outside 0 to 1.

    Examples
    --------
    >>> promote(np.zeros(3, np.float32), np.array([1.0, 0.5, 0.0], np.float32), 0.5).tolist()
    [2.0, 1.0, 0.0]
    """
    check_dial(dial)
    return scores + np.float32(FULL * dial) * rare


def check_dial(dial: float) -> None:
    """Refuse a tail dial outside 0 to 1.

    Raises
    ------
    RequestError
        Saying so.
    """
    if not 0 <= dial <= 1:
        raise RequestError(f"the tail dial goes from 0 to 1, not to {dial:g}")
