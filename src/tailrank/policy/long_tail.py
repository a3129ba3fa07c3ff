"""Exposure of the long tail, traded against accuracy."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Floats, Offsets


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


def promote(scores: Floats, rare: Floats, strength: float) -> Floats:
    """Raise scores in proportion to rarity: a popularity penalty as in Steck (2011).

    Parameters
    ----------
    scores
        Fused scores in log-odds, shape (..., items).
    rare
        `rarity` of the items, shape (items,).
    strength
        0 changes nothing; 1 makes an unseen item `e` times as likely against the most popular one.

    Examples
    --------
    >>> promote(np.zeros(3, np.float32), np.array([1.0, 0.5, 0.0], np.float32), 2.0).tolist()
    [2.0, 1.0, 0.0]
    """
    return scores + np.float32(strength) * rare
