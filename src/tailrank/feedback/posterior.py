"""How likely corrections are after some outcomes: a normal distribution, history buckets tied together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from tailrank.arrays import Doubles
from tailrank.feedback.outcome_sums import OutcomeSums


@dataclass(frozen=True)
class Posterior:
    """Normal distributions of corrections, one for each history bucket.

    Attributes
    ----------
    means
        Shape (history buckets, corrections).
    covariances
        Shape (history buckets, corrections, corrections); each symmetric and positive definite.
    """

    means: Doubles
    covariances: Doubles

    @classmethod
    def given(cls, sums: OutcomeSums, shared_sd: Doubles, own_sd: float) -> Self:
        """Weigh outcomes against the prior, which is that there is nothing to correct.

        As in `Fusion.fit`, ``corrections[b] = shared + own[b]`` with a normal prior around 0 on both, so
        that a bucket of few outcomes follows the others. The `own` are summed out one by one, which
        leaves a system of the size of one bucket (Gelman et al., "Bayesian data analysis", 2013, section
        15.1).

        Parameters
        ----------
        sums
            Of the outcomes.
        shared_sd, own_sd
            Standard deviations of the prior: of each shared correction, shape (corrections,), and of all that
            belong to one bucket.
        """
        one, own = np.eye(len(shared_sd)), own_sd**-2
        within = _inverses(sums.curvature + own * one)  # covariance, if `shared` were known
        precision = np.diag(shared_sd**-2) + (own * one - own**2 * within).sum(axis=0)
        spread = _inverses(precision)
        shared = spread @ (own * within @ sums.pull[..., None]).sum(axis=0)
        means = (within @ (sums.pull[..., None] + own * shared))[..., 0]
        return cls(means, _symmetric(within + own**2 * within @ spread @ within))

    def drawn(self, bucket: int, rng: np.random.Generator, n: int) -> Doubles:
        """Draw how far corrections of a bucket may be from their means; shape (n, corrections)."""
        found: Doubles = rng.standard_normal((n, self.means.shape[1])) @ self._roots[bucket].T
        return found

    def deviations(self, bucket: int, features: Doubles) -> Doubles:
        """Tell the standard deviation of scores, shape (items,), from features, (items, corrections)."""
        found: Doubles = np.sqrt(((features @ self._roots[bucket]) ** 2).sum(axis=1))
        return found

    @cached_property
    def _roots(self) -> Doubles:
        return np.linalg.cholesky(self.covariances).astype(np.float64)


def _inverses(matrices: Doubles) -> Doubles:
    return _symmetric(np.linalg.inv(matrices).astype(np.float64))


def _symmetric(matrices: Doubles) -> Doubles:
    """Even out what rounding made unlike in matrices of shape (..., n, n)."""
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))
