"""What fusion learns from, and how well weights explain it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.data.histories import flat_offsets

Loss = Literal["listwise", "bce"]


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
        Precision of the prior.
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
        logits = np.einsum("es,es->e", self._features, by_cell.take(self._cells, axis=0))
        loss, slope = self._listwise(logits) if self.loss == "listwise" else self._bce(logits)
        gradient = np.empty(self.shape)
        gradient[1:] = self._buckets_of(self._summing @ (slope[:, None] * self._features))
        gradient[0] = gradient[1:].sum(axis=0)
        off, strength = parameters - prior, self.shrinkage / self._total
        return loss + strength * float((off**2).sum()), (gradient + 2 * strength * off).ravel()

    @cached_property
    def _real(self) -> Bools:
        """Which candidates count, shape (queries, candidates); below, `entries` are these, by query."""
        return np.isfinite(self.pool.log_odds)

    @cached_property
    def _starts(self) -> Offsets:
        """First entry of each query, its target, shape (queries,)."""
        return flat_offsets(self._real.sum(axis=1))[:-1]

    @cached_property
    def _features(self) -> Floats:
        """Signals and a one for the bias, shape (entries, signals + 1)."""
        found = np.ones((int(self._real.sum()), self.shape[1]), np.float32)
        found[:, :-1] = self.pool.features[self._real]
        return found

    @cached_property
    def _cells(self) -> Codes:
        """Count level and history bucket of each entry as one number, shape (entries,)."""
        cells = self.pool.candidates * self.n_histories + self.pool.histories[:, None]
        found: Codes = cells[self._real]
        return found

    @cached_property
    def _summing(self) -> Any:
        """Sparse matrix that adds entries up by cell, shape (cells, entries)."""
        import scipy.sparse as sp

        n = len(self._cells)
        ones = np.ones(n, np.float32)
        shape = (len(self.shares) * self.n_histories, n)
        return sp.csr_array((ones, (self._cells, np.arange(n, dtype=np.int32))), shape=shape)

    @cached_property
    def _log_odds(self) -> Floats:
        return self.pool.log_odds[self._real]

    @cached_property
    def _total(self) -> float:
        """Importance of all queries together; 1 if none counts, so that the prior stands."""
        return float(self.importance.sum(dtype=np.float64)) or 1.0

    @cached_property
    def _weights(self) -> Floats:
        """Importance of the query of each entry, as a share of all, shape (entries,)."""
        return np.repeat(self.importance / np.float32(self._total), self._real.sum(axis=1))

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
        lengths, starts = self._real.sum(axis=1), self._starts
        logits = logits + self._log_odds
        logits -= np.maximum.reduceat(logits, starts).repeat(lengths)
        chances = np.exp(logits)
        chances /= np.add.reduceat(chances, starts).repeat(lengths)
        weights = self._weights
        loss = -float(weights[starts] @ np.log(np.maximum(chances[starts], 1e-30)))
        chances[starts] -= 1
        return loss, chances * weights

    def _bce(self, logits: Floats) -> tuple[float, Floats]:
        from scipy.special import expit

        labels = np.zeros_like(logits)
        labels[self._starts] = 1
        standing = np.exp(self._log_odds) * self._weights
        losses = standing * (np.logaddexp(0, logits) - labels * logits)
        return float(losses.sum(dtype=np.float64)), standing * (expit(logits) - labels)
