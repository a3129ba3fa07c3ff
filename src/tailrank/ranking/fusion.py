"""Fusion: learned weights that turn signals into one score, by how well item and user are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.metrics.popularity import COUNT_LABELS
from tailrank.signals.base import Arrays
from tailrank.signals.stored import LARGEST, StoredArrays

Loss = Literal["listwise", "bce"]

HISTORY_EDGES: Final = (1, 4, 7, 13)
HISTORY_LABELS: Final = ("0", "1-3", "4-6", "7-12", ">12")

LARGEST_WEIGHT: Final = 1e15
"""Of a model folder: signals of very little spread have large weights."""

PRIOR_WEIGHT: Final = 0.5
"""Weight of a signal, by its standard deviation, before any evidence."""


def history_buckets(lengths: Offsets) -> Codes:
    """Assign histories to one of `HISTORY_LABELS` by their number of events.

    Examples
    --------
    >>> history_buckets(np.array([0, 1, 3, 4, 50])).tolist()
    [0, 1, 1, 2, 4]
    """
    return np.searchsorted(HISTORY_EDGES, lengths, side="right").astype(np.int32)


@dataclass(frozen=True)
class SampledCandidates:
    """Candidates drawn for each validation query, with their signals; the target comes first.

    Attributes
    ----------
    features
        Signals, shape (queries, candidates, signals).
    candidates, histories
        Count bucket of each candidate, shape (queries, candidates); history bucket, shape (queries,).
    log_odds
        Logarithm of how many catalogue items a candidate stands for, shape (queries, candidates):
        0 for one certainly drawn, minus infinity for one that doesn't count.
    """

    features: Floats
    candidates: Codes
    histories: Codes
    log_odds: Floats

    def take(self, rows: slice) -> SampledCandidates:
        """Select queries."""
        return SampledCandidates(*(values[rows] for values in vars(self).values()))

    @classmethod
    def join(cls, pools: list[SampledCandidates]) -> SampledCandidates:
        """Put pools of equal width one after another."""
        columns = zip(*(vars(pool).values() for pool in pools), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class Fusion:
    """A linear score with its own weights in each bucket of candidate count and history length.

    Attributes
    ----------
    signals
        Names of the signals.
    weights
        Shape (count buckets, history buckets, signals).
    biases
        Shape (count buckets, history buckets).
    loss
        What fitting ended with: mean loss a query, prior included.
    """

    signals: tuple[str, ...]
    weights: Floats
    biases: Floats
    loss: float

    @classmethod
    def fit(
        cls,
        signals: tuple[str, ...],
        pool: SampledCandidates,
        loss: Loss = "listwise",
        shrinkage: float = 1.0,
    ) -> Self:
        """Find the weights under which the targets are most likely.

        ``weights[b] = shared + own[b]`` with a normal prior on both: on `own` around 0, so that a
        bucket with little evidence keeps the shared weights, and on `shared` around 0.5. Fitted
        after the signals: learned jointly, text loses its weight to the ids.

        Parameters
        ----------
        signals
            Names, in the order of the pool's features.
        pool
            Sampled candidates; their odds make the sampled softmax an estimate of the full one
            (Bengio and Senecal, 2008, section 3).
        loss
            Softmax over the list, or binary cross-entropy of every candidate.
        shrinkage
            Precision of the prior, in units of signals of standard deviation one.
        """
        from scipy.optimize import minimize

        real = np.isfinite(pool.log_odds)
        spread = pool.features[real].std(axis=0, dtype=np.float64)
        spread = np.where(spread > 0, spread, 1).astype(np.float32)
        objective = _Objective(pool, pool.features / spread, real, loss, shrinkage)
        prior = objective.prior
        found = minimize(
            objective, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-7}
        )
        parameters = found.x.reshape(prior.shape)
        full = (parameters[0] + parameters[1:]).reshape(len(COUNT_LABELS), len(HISTORY_LABELS), -1)
        weights = (full[..., :-1] / spread).astype(np.float32)
        return cls(signals, weights, full[..., -1].astype(np.float32), float(found.fun))

    def fuse(self, signals: list[Floats], candidates: Codes, histories: Codes) -> FusedScores:
        """Add up the weighted signals.

        Parameters
        ----------
        signals
            Each of shape (histories, candidates), in the order of `self.signals`.
        candidates, histories
            Buckets, shape (candidates,) and (histories,).
        """
        weights = self.weights.T[:, histories].take(candidates, axis=2)
        total = self.biases.T[histories].take(candidates, axis=1)
        for weight, scores in zip(weights, signals, strict=True):
            total += weight * scores
        return FusedScores(self, signals, candidates, histories, total)

    def weights_of(self, candidates: Codes, history: int) -> Floats:
        """Look up weights by buckets; shape (signals, candidates)."""
        return self.weights.T[:, history].take(candidates, axis=1)

    def score(self, sampled: SampledCandidates) -> Floats:
        """Score sampled candidates, (queries, candidates); minus infinity for those that don't count."""
        known = sampled.histories[:, None]
        total = self.biases[sampled.candidates, known]
        for position in range(len(self.signals)):
            total += self.weights[sampled.candidates, known, position] * sampled.features[..., position]
        return np.where(np.isfinite(sampled.log_odds), total, -np.inf)

    def arrays(self) -> Arrays:
        """Give everything learned, for storage."""
        return {"weights": self.weights, "biases": self.biases, "loss": np.array([self.loss])}

    @classmethod
    def from_arrays(cls, signals: tuple[str, ...], arrays: StoredArrays) -> Self:
        """Take back what `arrays` gave.

        Raises
        ------
        ModelError
            If it is something else than finite weights of these signals.
        """
        buckets = len(COUNT_LABELS), len(HISTORY_LABELS)
        weights = arrays.floats(
            "weights", *buckets, len(signals), least=-LARGEST_WEIGHT, largest=LARGEST_WEIGHT
        )
        biases = arrays.floats("biases", *buckets)
        return cls(signals, weights, biases, arrays.number("loss", -LARGEST, LARGEST))


@dataclass(frozen=True)
class FusedScores:
    """Signals of every history and candidate, and their weighted sum.

    Attributes
    ----------
    fusion
        Whose weights.
    signals
        Each of shape (histories, candidates).
    candidates, histories
        Buckets, shape (candidates,) and (histories,).
    total
        Log-odds, shape (histories, candidates).
    """

    fusion: Fusion
    signals: list[Floats]
    candidates: Codes
    histories: Codes
    total: Floats

    def parts(self, row: int) -> tuple[tuple[str, ...], Floats]:
        """Take the scores of one history apart: names of the bias and the signals; (names, candidates)."""
        history = int(self.histories[row])
        parts = np.empty((1 + len(self.signals), len(self.candidates)), np.float32)
        parts[0] = self.fusion.biases.T[history].take(self.candidates)
        for at, scores in enumerate(self.signals, 1):
            parts[at] = scores[row]
        parts[1:] *= self.fusion.weights_of(self.candidates, history)
        return ("base", *self.fusion.signals), parts


@dataclass(frozen=True)
class _Objective:
    """Negative log posterior per query; row 0 of the parameters is shared, the others belong to buckets."""

    pool: SampledCandidates
    features: Floats
    real: Bools
    loss: Loss
    shrinkage: float

    @property
    def prior(self) -> Doubles:
        """Mean of the prior, shape (1 + buckets, signals + bias)."""
        mean = np.zeros((1 + len(COUNT_LABELS) * len(HISTORY_LABELS), self.features.shape[2] + 1))
        mean[0, :-1] = PRIOR_WEIGHT
        return mean

    def __call__(self, flat: Doubles) -> tuple[float, Doubles]:
        prior = self.prior
        parameters = flat.reshape(prior.shape)
        full = (parameters[0] + parameters[1:]).astype(np.float32)
        buckets = self.pool.candidates * len(HISTORY_LABELS) + self.pool.histories[:, None]
        logits = full[buckets, -1]
        for position in range(self.features.shape[2]):
            logits = logits + full[buckets, position] * self.features[..., position]
        loss, slope = self._listwise(logits) if self.loss == "listwise" else self._bce(logits)
        gradient = np.empty_like(prior)
        for position in range(prior.shape[1]):
            pull = slope if position == self.features.shape[2] else slope * self.features[..., position]
            gradient[1:, position] = np.bincount(buckets.ravel(), pull.ravel(), len(prior) - 1)
        gradient[0] = gradient[1:].sum(axis=0)
        off = parameters - prior
        strength = self.shrinkage / len(self.features)
        return loss + strength * float((off**2).sum()), (gradient + 2 * strength * off).ravel()

    def _listwise(self, logits: Floats) -> tuple[float, Doubles]:
        logits = logits + self.pool.log_odds
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        loss = -float(np.log(np.maximum(chances[:, 0], 1e-30)).mean())
        chances[:, 0] -= 1
        return loss, chances / len(chances)

    def _bce(self, logits: Floats) -> tuple[float, Doubles]:
        from scipy.special import expit

        labels = np.zeros_like(logits)
        labels[:, 0] = 1
        standing = np.exp(self.pool.log_odds)
        losses = standing * (np.logaddexp(0, logits) - labels * logits)
        slope = standing * (expit(logits) - labels)
        return float(losses.sum() / len(logits)), slope / len(logits)
