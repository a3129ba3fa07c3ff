"""Signals that add something up over a history whose events fade with age."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Final, Self, TypeVar

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.metrics.ranking import mask_history, target_ranks
from tailrank.signals.base import Arrays
from tailrank.signals.sparse import SparseRows

RECENCY_DECAYS: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Exponents to choose among: from every event counting the same to little but the latest."""


def recency_weights(histories: Histories, recency_decay: float) -> Floats:
    """Weigh an event with n later ones in its history by (1 + n)^-recency_decay; shape (events,)."""
    weights: Floats = (np.float32(1) + histories.ages.astype(np.float32)) ** np.float32(-recency_decay)
    return weights


@dataclass(frozen=True, kw_only=True)
class DecayedSum(ABC):
    """``log(1 + sum_j (1 + age_j) ** -fading * part(c, j))`` over the events j of a history.

    The logarithm keeps a few very strong parts from drowning every other signal.

    Attributes
    ----------
    fading
        How fast events lose weight with the number of later ones; chosen on validation.
    """

    recency_decay: float = 1.0

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Sum over each history; shape (histories, candidates)."""
        weights = self._weights(histories)
        sums = self._sums(histories.items, weights, histories.owners, len(histories), candidates)
        scores: Floats = np.log1p(sums, out=sums)
        return scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Share out the score of one history in proportion to the parts; shape (events, candidates)."""
        n = len(histories.items)
        parts = self._sums(histories.items, self._weights(histories), np.arange(n), n, candidates)
        total = parts.sum(axis=0)
        shares: Floats = parts * (np.log1p(total) / np.where(total > 0, total, 1))
        return shares

    def _weights(self, histories: Histories) -> Floats:
        return recency_weights(histories, self.recency_decay)

    @abstractmethod
    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        """Add up the weighted parts of `items` by owner, shape (n_owners, candidates)."""


@dataclass(frozen=True, kw_only=True)
class DecayedRows(DecayedSum):
    """A fading sum whose parts come from a sparse matrix.

    Attributes
    ----------
    rows
        What each item brings with it, one row an item.
    """

    rows: SparseRows

    def arrays(self) -> Arrays:
        """Give the rows and the fading."""
        return {**self.rows.arrays(), "fading": np.array([self.recency_decay])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the rows and the fading."""
        return cls(rows=SparseRows.from_arrays(arrays), recency_decay=float(arrays["fading"][0]))


Fading = TypeVar("Fading", bound=DecayedSum)


def with_best_recency_decay(
    signal: Fading,
    queries: Queries,
    n_items: int,
    max_history: int,
    repeats: bool,
    prior: Floats | None = None,
) -> Fading:
    """Choose the fading under which the signal, with nothing but the prior, ranks the targets best.

    Measured by ndcg over the whole catalogue without a cut-off, which is steadier than ndcg@10.

    Parameters
    ----------
    signal
        Fitted without the queries' targets.
    queries
        Validation queries.
    n_items
        Size of the catalogue.
    max_history
        Latest events that the signal sees.
    repeats
        Whether items of the history are candidates.
    prior
        Added to every score, shape (items,).
    """
    totals = dict.fromkeys(RECENCY_DECAYS, 0.0)
    everything = Candidates.everything(n_items)
    for batch in queries.batches(len(everything)):
        seen = batch.histories.latest(max_history)
        for recency_decay in RECENCY_DECAYS:
            scores = replace(signal, recency_decay=recency_decay).score(seen, everything)
            if prior is not None:
                scores = scores + prior
            if not repeats:
                mask_history(scores, batch)
            totals[recency_decay] += float((1 / np.log2(1 + target_ranks(scores, batch.targets))).sum())
    return replace(signal, recency_decay=max(totals, key=lambda recency_decay: totals[recency_decay]))
