"""Sums that are exact: what adding in single precision rounded away is given to a part."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Doubles, Floats


def settled(parts: Doubles, totals: Doubles | Floats) -> Doubles:
    """Let the parts of each column add up to its total: the largest of them takes the remainder.

    Scores are added up in single precision, in an order of their own, so a remainder is a rounding error:
    millionths of a score.

    Parameters
    ----------
    parts
        Shape (parts, columns).
    totals
        Shape (columns,).

    Examples
    --------
    >>> settled(np.array([[1.0], [-3.0]]), np.array([-2.000001])).tolist()
    [[1.0], [-3.000001]]
    """
    if not parts.size:
        return parts
    whole = parts.copy()
    largest = abs(parts).argmax(axis=0), np.arange(parts.shape[1])
    whole[largest] += totals - parts.sum(axis=0)
    return whole
