"""A fusion that isn't sure of its weights, and what it would like to find out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

import numpy as np

from tailrank.arrays import Doubles
from tailrank.errors import RequestError
from tailrank.feedback.corrections import Corrections
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.posterior import Posterior
from tailrank.ranking.explored import Ensemble, Wish
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.signal_values import SignalValues

DRAWS: Final = 100
"""Draws of an ensemble."""

Explorer = Literal["thompson", "ucb"]
"""How to explore: by a draw of the weights, or by how uncertain the score of each item is."""


@dataclass(frozen=True, kw_only=True)
class ExploringFusion(Fusion):
    """The likeliest weights, with a bonus for what isn't known well.

    The policy `Exploration` decides how much of the bonus has its way; without that step nothing is explored.
    `Reranker.score`, and so every evaluation, leaves the bonus out.

    Attributes
    ----------
    corrections, posterior
        What may be corrected, and how likely each correction is.
    factors
        Of the bonus, by history bucket, shape (history buckets,): it is in the scale of the offline score.
    ensemble
        Of "thompson", whose bonus is that of one draw of the weights for each list (Chapelle and Li, 2011).
        None for "ucb": then it is the standard deviation of each score, as in Li et al. (2010, algorithm 1).
    rng
        Chooses draws.
    """

    corrections: Corrections
    posterior: Posterior
    factors: Doubles
    ensemble: Ensemble | None
    rng: np.random.Generator

    @classmethod
    def from_online(
        cls,
        online: OnlineFusion,
        explorer: Explorer,
        scale: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> Self:
        """Explore around what was learned so far.

        Parameters
        ----------
        online
            What was learned.
        explorer
            How to explore.
        scale
            Factor of the bonus.
        rng
            Of all draws.

        Raises
        ------
        RequestError
            If the scale isn't finite, or below 0, or there is no such explorer.
        """
        if explorer not in (known := get_args(Explorer)):
            raise RequestError(f"no explorer is called {explorer!r}: there are {', '.join(known)}")
        if not 0 <= scale < np.inf:
            raise RequestError(f"scale of exploration must be at least 0, not {scale!r}")
        rng, corrections, posterior = rng or np.random.default_rng(), online.corrections, online.posterior()
        factors = scale / corrections.scales(posterior.means)
        ensemble: Ensemble | None = None
        if explorer == "thompson":
            buckets = range(len(posterior.means))
            drawn = np.stack([posterior.drawn(bucket, rng, DRAWS) for bucket in buckets])
            ensemble = Ensemble((factors[:, None, None] * drawn).astype(np.float32))
        return cls(
            **vars(online.fusion()),
            corrections=corrections,
            posterior=posterior,
            factors=factors,
            ensemble=ensemble,
            rng=rng,
        )

    def wish(self, fused: FusedScores, row: int) -> Wish:
        """Say what exploration would like to add to the scores of one history."""
        seen = SignalValues.from_fused(fused, row)
        exact, history = self.corrections.features(seen.values, seen.count_levels), seen.history_bucket
        features = exact.astype(np.float32)
        if self.ensemble is None:
            bonus = self.factors[history] * self.posterior.deviations(history, exact)
            return Wish(bonus.astype(np.float32), features)
        draw = self.ensemble.draws[history, self.rng.integers(DRAWS)]
        return Wish(features @ draw, features, self.ensemble)
