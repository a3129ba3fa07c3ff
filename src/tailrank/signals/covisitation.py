"""Items that the same people take: directed co-visitation and symmetric neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.signals.protocol import Arrays, Candidates
from tailrank.signals.sparse import SparseRows, strongest

NEIGHBOURS: Final = 200
"""Entries kept for an item."""

BLOCK: Final = 1024
"""Rows of the co-occurrence product that are in memory at once."""


@dataclass(frozen=True)
class ItemToItem:
    """A sparse item-to-item matrix, summed over a fading history and put on a log(1 + x) scale.

    The logarithm keeps a few very strong pairs from drowning every other signal. The matrix is
    scaled by its mean strongest entry, so that one fusion prior fits all catalogues.

    Attributes
    ----------
    rows
        Strength of each related item, one row an item.
    """

    rows: SparseRows

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Sum over each history; shape (histories, candidates)."""
        weights, n = self._weights(histories), len(histories)
        return np.log1p(self.rows.sum_at(histories.items, weights, histories.owners, n, candidates))

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Share out the score of one history in proportion to the sums; shape (events, candidates)."""
        n = len(histories.items)
        parts = self.rows.sum_at(histories.items, self._weights(histories), np.arange(n), n, candidates)
        total = parts.sum(axis=0)
        shares: Floats = parts * (np.log1p(total) / np.where(total > 0, total, 1))
        return shares

    def arrays(self) -> Arrays:
        """Give the rows."""
        return self.rows.arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the rows."""
        return cls(SparseRows.from_arrays(arrays))

    @staticmethod
    def _weights(histories: Histories) -> Floats:
        raise NotImplementedError


class CoVisitation(ItemToItem):
    """What people took after an item, the sooner the stronger.

    An event `d` steps after another adds `1 / d` to their pair, within ten steps; the opposite
    direction counts 0.3 as much. Pairs are damped by the popularity of both items. A history's
    events fade as `1 / (1 + age)`. Unlike cosine neighbours it knows the direction of time: a
    refill follows its printer.
    """

    name: ClassVar[str] = "covisitation"
    window: ClassVar[int] = 10
    backward: ClassVar[float] = 0.3
    source_damping: ClassVar[float] = 0.5
    target_damping: ClassVar[float] = 0.1
    scale: ClassVar[float] = 0.3

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Count the pairs of every history."""
        items, owners, n = dataset.histories.items, dataset.histories.owners, dataset.n_items
        forward = sp.csr_array((n, n), dtype=np.float32)
        for step in range(1, min(cls.window, len(items) - 1) + 1):
            first = np.flatnonzero((owners[:-step] == owners[step:]) & (items[:-step] != items[step:]))
            values = np.full(len(first), 1 / step, dtype=np.float32)
            forward = forward + sp.csr_array((values, (items[first], items[first + step])), shape=(n, n))
        pairs = sp.csr_array(forward + cls.backward * forward.T)
        _damp(pairs, dataset.counts, cls.source_damping, cls.target_damping)
        return cls(SparseRows.of(_scaled(strongest(pairs, NEIGHBOURS), cls.scale)))

    @staticmethod
    def _weights(histories: Histories) -> Floats:
        return (1 / (1 + histories.ages)).astype(np.float32)


class ItemKNN(ItemToItem):
    """Cosine between the sets of people who took two items (Sarwar et al., 2001, section 3.1.1).

    A history's events fade as `0.7 ** age`.
    """

    name: ClassVar[str] = "item-knn"
    scale: ClassVar[float] = 1.0

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Multiply the user-item matrix with itself, a block of rows at a time."""
        h = dataset.histories
        shape = (len(h), dataset.n_items)
        taken = sp.csr_array((np.ones(len(h.items), np.float32), (h.owners, h.items)), shape=shape)
        taken.sum_duplicates()
        taken.data[:] = 1
        takers = sp.csr_array(taken.T)
        norms = np.sqrt(np.diff(takers.indptr))
        blocks = []
        for start in range(0, dataset.n_items, BLOCK):
            pairs = sp.csr_array(takers[start : start + BLOCK] @ taken)
            rows = np.repeat(np.arange(start, start + pairs.shape[0]), np.diff(pairs.indptr))
            pairs.data *= (rows != pairs.indices) / (norms[rows] * norms[pairs.indices])
            pairs.eliminate_zeros()
            blocks.append(strongest(pairs, NEIGHBOURS))
        return cls(SparseRows.of(_scaled(sp.csr_array(sp.vstack(blocks)), cls.scale)))

    @staticmethod
    def _weights(histories: Histories) -> Floats:
        return (0.7**histories.ages).astype(np.float32)


def _damp(pairs: Any, counts: Offsets, source: float, target: float) -> None:
    """Divide row i by `counts[i] ** source` and column j by `counts[j] ** target`, in place."""
    known = np.maximum(counts, 1).astype(np.float32)
    pairs.data *= np.repeat(known**-source, np.diff(pairs.indptr)) * (known**-target)[pairs.indices]


def _scaled(pairs: Any, scale: float) -> sp.csr_array:
    """Divide by `scale` times the mean of the rows' largest entries."""
    largest = pairs.max(axis=1).toarray()
    return pairs if pairs.nnz == 0 else sp.csr_array(pairs / (scale * largest[largest > 0].mean()))
