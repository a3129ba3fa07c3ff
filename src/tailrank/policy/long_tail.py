"""Exposure of the long tail, traded against accuracy."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Floats, Offsets


def promote(scores: Floats, counts: Offsets, strength: float) -> Floats:
    """Raise each item's score, the more the fewer interactions it has.

    The boost falls linearly in log(1 + count), from `strength` for an item without any to 0 for the
    most popular: a popularity penalty as in Steck (2011), in the units of the fused score (log-odds).

    Parameters
    ----------
    scores
        Shape (..., items).
    counts
        Interactions in training, shape (items,).
    strength
        0 changes nothing; 1 makes an unseen item `e` times as likely against the most popular one.

    Examples
    --------
    >>> promote(np.zeros(3, dtype=np.float32), np.array([0, 9, 99]), 1.0).round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    known = np.log1p(counts)
    boost: Floats = (strength * (1 - known / (known.max(initial=0) or 1))).astype(np.float32)
    return scores + boost
