"""`Scope`: which texts are like those that a task learned from; others had better be refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import RequestError, needs

SMALLEST: Final = 1e-6
"""Variance, at least, of unit vectors in any direction."""


@dataclass(frozen=True)
class Scope:
    """Scores texts by how well some label explains their vectors: no text from outside is needed.

    The relative Mahalanobis distance (Ren et al., "A simple fix to Mahalanobis distance for improving
    near-OOD detection", 2021, eq. 4), here with its sign turned: the squared distance to the centre of all
    texts less that to the nearest label. Covariances are shrunk (Ledoit and Wolf, 2004).

    Attributes
    ----------
    centres
        Mean vector of each label's texts and, if some have none, of those; shape (labels or one more, d).
    within
        Maps vectors to where distances to labels are plain; shape (d, d).
    middle, across
        The same for all texts as one: mean, shape (d,), and map, shape (d, d).
    threshold
        Below it a text is refused.
    """

    centres: Floats
    within: Floats
    middle: Floats
    across: Floats
    threshold: float = -np.inf

    @classmethod
    def fit(cls, vectors: Floats, truth: Bools) -> Self:
        """Fit to what is learned from.

        Parameters
        ----------
        vectors
            Shape (n, d).
        truth
            Which text has which label, shape (n, labels). Each label occurs.
        """
        without = ~truth.any(axis=1, keepdims=True)
        member = np.hstack([truth, without] if without.any() else [truth])
        wide = vectors.astype(np.float64)
        centres = member.T @ wide / member.sum(axis=0)[:, None]
        texts, labels = np.nonzero(member)
        middle = wide.mean(axis=0)
        maps = _whitening(wide[texts] - centres[labels]), _whitening(wide - middle)
        within, across = (each.astype(np.float32) for each in maps)
        return cls(centres.astype(np.float32), within, middle.astype(np.float32), across)

    def scores(self, vectors: Floats) -> Floats:
        """Score vectors, shape (n, d), the more alike the higher; shape (n,)."""
        at, labels = vectors @ self.within, self.centres @ self.within
        squares = (at**2).sum(axis=1)[:, None] - 2 * at @ labels.T + (labels**2).sum(axis=1)
        from_middle = (((vectors - self.middle) @ self.across) ** 2).sum(axis=1)
        found: Floats = from_middle - squares.min(axis=1)
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


def _whitening(residuals: Doubles) -> Doubles:
    """Give the map under which residuals, shape (n, d), have the identity for covariance; shape (d, d)."""
    with needs("a task's scope", "language"):
        from sklearn.covariance import ledoit_wolf
    covariance, _ = ledoit_wolf(residuals, assume_centered=True)
    floor = SMALLEST * np.eye(len(covariance))  # if all texts of each label are the same
    found: Doubles = np.linalg.cholesky(np.linalg.inv(covariance + floor))
    return found


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
