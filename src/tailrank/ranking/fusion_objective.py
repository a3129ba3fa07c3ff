"""What fusion learns from, and how well weights explain it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets

Loss = Literal["listwise", "bce"]

SMOOTHNESS: Final = 10.0
"""Precision of the prior on how the weights of neighbouring knots differ, in multiples of `shrinkage`."""


@dataclass(frozen=True)
class SampledCandidates:
    """Candidates drawn for each validation query, with their signals; the target comes first.

    Attributes
    ----------
    features
        Signals, shape (queries, candidates, signals).
    candidates, histories
        Count level of each candidate, shape (queries, candidates); history bucket, shape (queries,).
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

    def scaled(self, spread: Floats) -> SampledCandidates:
        """Divide the signals by numbers of shape (signals,)."""
        return replace(self, features=self.features / spread)

    @classmethod
    def join(cls, pools: list[SampledCandidates]) -> SampledCandidates:
        """Put pools of equal width one after another."""
        columns = zip(*(vars(pool).values() for pool in pools), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class FusionObjective:
    """Negative log posterior per query; row 0 of the parameters is shared, the others belong to buckets.

    A bucket is a knot and a history bucket, the latter changing fastest.

    Attributes
    ----------
    pool
        What to explain, with signals of about the same spread.
    importance
        How much each query counts, shape (queries,), none below 0.
    shares
        Share of each knot in the weights at a count level, shape (levels, knots).
    n_histories
        Number of history buckets.
    loss
        Softmax over the list, or binary cross-entropy of every candidate.
    shrinkage
        Precision of the prior on each parameter; neighbouring knots have one on their difference, too.
    """

    pool: SampledCandidates
    importance: Floats
    shares: Doubles
    n_histories: int
    loss: Loss
    shrinkage: float

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the parameters: (1 + buckets, signals + bias)."""
        return 1 + self.shares.shape[1] * self.n_histories, self.pool.features.shape[2] + 1

    def __call__(self, flat: Doubles, prior: Doubles) -> tuple[float, Doubles]:
        """Give the value at parameters, and its gradient; both flat, the prior's mean of their shape."""
        parameters = flat.reshape(self.shape)
        by_cell = self._cells_of(parameters[0] + parameters[1:])
        found = np.empty(len(self._places), np.float32)
        for cell, entries in self._entries:
            found[entries] = self._features[:, entries].T @ by_cell[cell]
        logits = np.zeros_like(self.pool.log_odds)
        logits.ravel()[self._places] = found
        loss, slope = self._listwise(logits) if self.loss == "listwise" else self._bce(logits)
        pull, by_entry = np.zeros_like(by_cell), slope.ravel().take(self._places)
        for cell, entries in self._entries:
            pull[cell] = self._features[:, entries] @ by_entry[entries]
        gradient = np.empty(self.shape)
        gradient[1:] = self._buckets_of(pull)
        gradient[0] = gradient[1:].sum(axis=0)
        penalty, pull_back = self._prior(parameters, prior)
        strength = self.shrinkage / self._total
        return loss + strength * penalty, (gradient + strength * pull_back).ravel()

    def _prior(self, parameters: Doubles, mean: Doubles) -> tuple[float, Doubles]:
        """Say how unlikely parameters are before any evidence, in units of `shrinkage`, and the gradient."""
        off, by_knot = parameters - mean, parameters[1:].reshape(self.shares.shape[1], -1)
        apart = np.diff(by_knot, axis=0)
        gradient = 2 * off
        together = np.diff(np.pad(apart, ((1, 1), (0, 0))), axis=0)
        gradient[1:] -= 2 * SMOOTHNESS * together.reshape(gradient[1:].shape)
        return float((off**2).sum() + SMOOTHNESS * (apart**2).sum()), gradient

    @cached_property
    def _cells(self) -> Codes:
        """Count level and history bucket as one number, shape (queries, candidates)."""
        cells: Codes = self.pool.candidates * self.n_histories + self.pool.histories[:, None]
        return cells

    @cached_property
    def _places(self) -> Offsets:
        """Where the candidates that count are in the flat pool, ordered by cell, shape (entries,)."""
        real = np.flatnonzero(np.isfinite(self.pool.log_odds))
        return real[np.argsort(self._cells.ravel()[real], kind="stable")]

    @cached_property
    def _entries(self) -> list[tuple[int, slice]]:
        """Each cell that has entries, and which."""
        cells = self._cells.ravel()[self._places]
        bounds = [0, *(np.flatnonzero(np.diff(cells)) + 1).tolist(), len(cells)]
        return [(int(cells[start]), slice(start, end)) for start, end in pairwise(bounds)]

    @cached_property
    def _features(self) -> Floats:
        """Signals and a one for the bias, shape (signals + 1, entries): a cell's are a product away."""
        features = self.pool.features.reshape(-1, self.shape[1] - 1)
        found = np.ones((self.shape[1], len(self._places)), np.float32)
        for row, column in zip(found, features.T, strict=False):
            column.take(self._places, out=row)
        return found

    @cached_property
    def _total(self) -> float:
        """Importance of all queries together; 1 if none counts, so that the prior stands."""
        return float(self.importance.sum(dtype=np.float64)) or 1.0

    @cached_property
    def _weights(self) -> Floats:
        """Importance of each query as a share of all, shape (queries, 1)."""
        return (self.importance / np.float32(self._total))[:, None]

    def _cells_of(self, buckets: Doubles) -> Floats:
        """Blend parameters of buckets, (buckets, n), into those of cells, (cells, n)."""
        by_knot = buckets.reshape(self.shares.shape[1], -1)
        found: Floats = (self.shares @ by_knot).reshape(-1, buckets.shape[1]).astype(np.float32)
        return found

    def _buckets_of(self, cells: Floats) -> Doubles:
        """Share out what pulls at cells, (cells, n), among the buckets, (buckets, n)."""
        by_level = cells.reshape(len(self.shares), -1)
        found: Doubles = (self.shares.T @ by_level).reshape(-1, cells.shape[1])
        return found

    def _listwise(self, logits: Floats) -> tuple[float, Floats]:
        logits += self.pool.log_odds
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits, out=logits)
        chances /= chances.sum(axis=1, keepdims=True)
        loss = -float(self._weights[:, 0] @ np.log(np.maximum(chances[:, 0], 1e-30)))
        chances[:, 0] -= 1
        chances *= self._weights
        return loss, chances

    def _bce(self, logits: Floats) -> tuple[float, Floats]:
        from scipy.special import expit

        standing = np.exp(self.pool.log_odds) * self._weights
        losses = np.logaddexp(0, logits)
        losses[:, 0] -= logits[:, 0]
        slope = expit(logits)
        slope[:, 0] -= 1
        slope *= standing
        return float((standing * losses).sum(dtype=np.float64)), slope
