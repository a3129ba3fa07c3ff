"""`Scope`: which texts are like those that a task learned from; others had better be refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import RequestError

NEIGHBOURS: Final = 5
"""Texts whose similarity is averaged."""

BLOCK: Final = 1_024
"""Texts that are compared at once."""


@dataclass(frozen=True)
class Scope:
    """Scores texts by their nearest neighbours among those learned from: no text from outside is needed.

    The score is the mean cosine to the nearest `NEIGHBOURS` texts (Sun et al., "Out-of-distribution detection
    with deep nearest neighbors", ICML 2022, take the distance to the k-th).

    Attributes
    ----------
    vectors
        Unit vectors of what was learned from, shape (n, d).
    threshold
        Below it a text is refused.
    """

    vectors: Floats
    threshold: float = -np.inf

    def scores(self, vectors: Floats) -> Floats:
        """Score unit vectors, shape (m, d), from -1 to 1, the more alike the higher; shape (m,)."""
        k = min(NEIGHBOURS, len(self.vectors))
        found = np.zeros(len(vectors), np.float32)
        for at in range(0, len(vectors), BLOCK):
            cosines = vectors[at : at + BLOCK] @ self.vectors.T
            found[at : at + BLOCK] = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
        return found

    def refusing(self, vectors: Floats, share: float) -> Self:
        """Choose the threshold by texts that weren't learned from, so that at most a share is refused.

        Parameters
        ----------
        vectors
            Of texts that belong to the task, shape (m, d).
        share
            Expected share of such texts that is refused, at most; see `threshold_for`.
        """
        return replace(self, threshold=threshold_for(self.scores(vectors).astype(np.float64), share))

    def refused(self, scores: Floats) -> Bools:
        """Mark the scores that are below the threshold."""
        below: Bools = scores < self.threshold
        return below


def threshold_for(scores: Doubles, share: float) -> float:
    """Find the highest threshold below which another score of the same sort lies with at most that chance.

    The split conformal quantile (Angelopoulos and Bates, "A gentle introduction to conformal prediction",
    2021, section 1.1), which holds for any distribution. If the scores are too few to tell, none is refused.

    Parameters
    ----------
    scores
        Shape (n,).
    share
        0 to 1.

    Examples
    --------
    >>> threshold_for(np.arange(99.0), 0.05)
    4.0
    >>> threshold_for(np.arange(9.0), 0.05)
    -inf
    """
    if not 0 <= share < 1:
        raise RequestError(f"the share to refuse must be at least 0 and below 1, not {share}")
    k = int(np.floor(share * (len(scores) + 1) + 1e-9))
    return float(np.sort(scores)[k - 1]) if k else -np.inf
