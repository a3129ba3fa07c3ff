"""Fusion whose weights move with what a user seems to be after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from tailrank.arrays import Doubles, Floats
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.fusion_objective import SampledCandidates


@dataclass(frozen=True)
class Way:
    """Fusion, with weights that move with some intents: alike for all items and lengths of history.

    Attributes
    ----------
    intents
        Their names.
    fusion
        The weights of a user who is as others are.
    moves
        What one unit of each intent adds to the weight of each signal, shape (intents, signals).
    """

    intents: tuple[str, ...]
    fusion: Fusion
    moves: Floats

    @classmethod
    def fit(
        cls,
        intents: tuple[str, ...],
        fusion: Fusion,
        pool: SampledCandidates,
        known: Mapping[str, Floats],
        importance: Floats,
        shrinkage: float,
    ) -> Self:
        """Learn the moves on what the fusion was learned on, with its loss and its prior around 0.

        Parameters
        ----------
        intents
            Of `known`, whose values have shape (queries,).
        fusion, pool, importance, shrinkage
            As `Fusion.fit` gave and took.
        """
        spreads = np.asarray(fusion.spreads)
        spread = np.where(spreads > 0, spreads, 1)
        features, start = pool.features / spread, pool_logits(fusion, pool) + pool.log_odds
        given = np.stack([known[name] for name in intents], axis=1)
        shares = importance / importance.sum()

        def loss(flat: Doubles, /) -> tuple[float, Doubles]:
            moves = flat.reshape(len(intents), -1)
            logits = start + np.einsum("qcs,qs->qc", features, given @ moves)
            slope = softmax(logits, axis=1)
            value = -float(shares @ np.log(np.maximum(slope[:, 0], 1e-30)))
            slope[:, 0] -= 1
            pulls = np.einsum("qc,qcs->qs", slope * shares[:, None], features)
            strength = shrinkage / importance.sum()
            gradient = given.T @ pulls + 2 * strength * moves
            return value + strength * float((flat**2).sum()), gradient.ravel()

        found = minimize(loss, np.zeros(len(intents) * len(spread)), jac=True, method="L-BFGS-B")
        return cls(intents, fusion, (found.x.reshape(len(intents), -1) / spread).astype(np.float32))

    def score(self, signals: Sequence[Floats], total: Floats, known: Mapping[str, Floats]) -> Floats:
        """Move the fusion's scores; signals and scores are of shape (histories, items)."""
        total = total.copy()
        if self.intents:
            weights = np.stack([known[name] for name in self.intents], axis=1) @ self.moves
            for weight, values in zip(weights.T, signals, strict=True):
                total += weight[:, None] * values
        return total


def pool_logits(fusion: Fusion, pool: SampledCandidates) -> Floats:
    """Score the candidates of a pool, shape (queries, candidates)."""
    found = np.zeros_like(pool.log_odds)
    for bucket in np.unique(pool.histories).tolist():
        mine = pool.histories == bucket
        levels, features = pool.candidates[mine], pool.features[mine]
        weights = fusion.weights_of(levels.ravel(), bucket).T.reshape(features.shape)
        found[mine] = (weights * features).sum(axis=2) + fusion.biases_of(levels, bucket)
    return found
