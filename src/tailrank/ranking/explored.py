"""What a list was explored by: enough to tell how likely each item was where it came to be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from tailrank.arrays import Bools, Doubles, Floats, Offsets
from tailrank.policy.base import Policy, Scored
from tailrank.policy.exploration import TAIL, Exploration


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Draws of what may be corrected about the weights; each list takes one of them, all equally likely.

    So what lists may become, and how likely each is, is known exactly: the chance of a list is its share of
    the draws. Compare ensemble sampling (Lu and Van Roy, NeurIPS 2017).

    Attributes
    ----------
    draws
        Shape (history buckets, draws, corrections).
    """

    draws: Floats

    @cached_property
    def name(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.draws.tobytes()).hexdigest()[:16]


class Wish(NamedTuple):
    """What exploration would like to add to the scores of one list.

    Attributes
    ----------
    bonus
        Shape (candidates,).
    features
        Of each candidate, of which a draw makes its bonus, shape (candidates, corrections).
    ensemble
        Where the draw is from; None if nothing is left to chance.
    """

    bonus: Floats
    features: Floats
    ensemble: Ensemble | None = None


class Explored(NamedTuple):
    """The best of a list, in their order without exploration, and where a draw put them.

    Attributes
    ----------
    step
        The policy step that did it.
    ensemble, history_bucket
        What was drawn from.
    scores
        Before, falling, shape (best,).
    features
        As `Wish` has them, shape (best, corrections).
    tail
        Which of them count as tail, shape (best,).
    order
        Which of them came to each rank, shape (ranks,); all others stayed where they were.
    """

    step: Exploration
    ensemble: Ensemble
    history_bucket: int
    scores: Floats
    features: Floats
    tail: Bools
    order: Offsets

    @classmethod
    def from_scored(
        cls, scored: Scored, policy: Sequence[Policy], wish: Wish, history_bucket: int
    ) -> Self | None:
        """Keep what tells how likely a list was; None if chance had no part in it, or not the last word.

        Parameters
        ----------
        scored
            All candidates after the policy.
        policy
            Its steps.
        wish
            For the same candidates.
        history_bucket
            What the draws depend on.
        """
        if scored.explored is None or wish.ensemble is None or not isinstance(policy[-1], Exploration):
            return None
        best, order = scored.explored
        return cls(
            policy[-1],
            wish.ensemble,
            history_bucket,
            scored.scores.take(best[order]),
            wish.features.take(best, axis=0),
            scored.rarity.take(best) > TAIL,
            np.array(order),
        )

    def chances(self, ranks: int) -> Doubles:
        """Tell how likely the item at each rank was to be there, shape (ranks,)."""
        bonuses = self.ensemble.draws[self.history_bucket] @ self.features.T
        orders, n = self.step.orders(self.scores + bonuses, self.tail), min(ranks, len(self.order))
        came, found = orders[:, :n] == self.order[:n], np.ones(ranks)
        found[:n] = np.maximum(came.sum(axis=0), 1) / len(came)  # it was drawn once, whatever rounding says
        return found
