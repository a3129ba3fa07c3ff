"""A fusion that isn't sure of its weights: what it would like to find out, and how likely a list was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal, Self, get_args

import numpy as np

from tailrank.arrays import Doubles, Floats, Offsets
from tailrank.errors import RequestError
from tailrank.feedback.corrections import Corrections
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.posterior import Posterior
from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.ranking.fusion import FusedScores, Fusion
from tailrank.ranking.signal_values import SignalValues

DRAWS: Final = 100
"""Lists that are drawn to see how likely one of them was."""

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
    explorer
        "thompson": one draw of the weights for each list (Chapelle and Li, 2011); "ucb": the standard
        deviation of each score, as in Li et al. (2010, algorithm 1).
    scale
        Factor of the bonus.
    rng
        Of the draws.
    """

    corrections: Corrections
    posterior: Posterior
    explorer: Explorer
    scale: float
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

        Raises
        ------
        RequestError
            If the scale isn't finite, or below 0, or there is no such explorer.
        """
        if explorer not in (known := get_args(Explorer)):
            raise RequestError(f"no explorer is called {explorer!r}: there are {', '.join(known)}")
        if not 0 <= scale < np.inf:
            raise RequestError(f"scale of exploration must be at least 0, not {scale!r}")
        return cls(
            **vars(online.fusion()),
            corrections=online.corrections,
            posterior=online.posterior(),
            explorer=explorer,
            scale=scale,
            rng=np.random.default_rng() if rng is None else rng,
        )

    def bonus(self, fused: FusedScores, row: int) -> Floats:
        """Say what exploration would like to add to the scores of one history, shape (candidates,)."""
        seen = SignalValues.from_fused(fused, row)
        features, history = self.corrections.features(seen.values, seen.count_levels), seen.history_bucket
        if self.explorer == "ucb":
            found = self.posterior.deviations(history, features)
        else:
            found = features @ self.posterior.drawn(history, self.rng, 1)[0]
        bonus: Floats = (self._factors[history] * found).astype(np.float32)
        return bonus

    def placement_chances(
        self, scored: Scored, policy: Sequence[Policy], signals: SignalValues, shown: Offsets
    ) -> Doubles:
        """Estimate how likely each item was to be shown where it was.

        There is no closed form for Thompson sampling, so lists are drawn anew, `DRAWS` times; the list that
        was shown counts as one more, and no chance is below 1 / (`DRAWS` + 1). This takes a millisecond or
        more: it belongs where a log is written or read, not where a user waits.

        Parameters
        ----------
        scored
            The candidates before the policy, without a bonus.
        policy
            The steps of the ranking.
        signals
            What the signals said of the candidates.
        shown
            The candidates in the order shown, shape (ranks,).

        Returns
        -------
        Doubles
            Shape (ranks,); all 1 for "ucb", which shows the same list every time.
        """
        if self.explorer == "ucb":
            return np.ones(len(shown))
        features = self.corrections.features(signals.values, signals.count_levels)
        drawn = self.posterior.drawn(signals.history_bucket, self.rng, DRAWS)
        bonus = (self._factors[signals.history_bucket] * drawn @ features.T).astype(np.float32)
        lists = replace(scored, scores=np.broadcast_to(scored.scores, bonus.shape), bonus=bonus)
        order = (-apply_all(policy, lists).scores).argsort(axis=1, kind="stable")[:, : len(shown)]
        chances: Doubles = (1 + (order == shown).sum(axis=0)) / (1 + DRAWS)
        return chances

    @cached_property
    def _factors(self) -> Doubles:
        """Of the bonus, by history bucket: it is in the scale of the offline score."""
        return self.scale / self.corrections.scales(self.posterior.means)
