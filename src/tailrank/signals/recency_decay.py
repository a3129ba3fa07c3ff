"""Signals that add something up over a history, with less weight for older events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self, TypeVar

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import Histories
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.sparse import SparseRows
from tailrank.signals.stored import StoredArrays

FASTEST_DECAY: Final = 100.0
"""Largest exponent that a model folder may hold."""

Ages = TypeVar("Ages", Floats, Doubles)


def recency_weights(ages: Ages, recency_decay: float) -> Ages:
    """Weigh an event with n later ones in its history by (1 + n)^-recency_decay.

    Parameters
    ----------
    ages
        n of each event, shape (events,); in the precision that the weights shall have.
    recency_decay
        How fast events lose weight; 0 weighs all alike.
    """
    weights: Ages = (1 + ages) ** -recency_decay
    return weights


@lru_cache(64)
def _weights_by_age(n: int, recency_decay: float) -> Floats:
    """Weigh the ages below n, shape (n,)."""
    return recency_weights(np.arange(n, dtype=np.float32), recency_decay)


@dataclass(frozen=True, kw_only=True)
class DecayedSum(ABC):
    """``log(1 + sum_j (1 + age_j) ** -recency_decay * part(c, j))`` over the events j of a history.

    The logarithm keeps a few very strong parts from drowning every other signal.

    Attributes
    ----------
    recency_decay
        How fast events lose weight with the number of later ones; chosen on validation.
    """

    recency_decay: float = 1.0

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Sum over each history; shape (histories, candidates)."""
        weights = self._weights(histories)
        sums = self._sums(histories.items, weights, histories.owners, len(histories), candidates)
        scores: Floats = np.log1p(sums, out=sums)
        return scores

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Sum over each history, for its own candidates; shape (pairs,)."""
        sums = self._sums_of_lists(histories.items, self._weights(histories), histories.owners, lists)
        scores: Floats = np.log1p(sums, out=sums)
        return scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Share out the score of one history in proportion to the parts; shape (events, candidates)."""
        parts = self._parts(histories.items, self._weights(histories), candidates)
        total = parts.sum(axis=0)
        shares: Floats = parts * (np.log1p(total) / np.where(total > 0, total, 1))
        return shares

    def _parts(self, items: Codes, weights: Floats, candidates: Candidates) -> Floats:
        """Give the weighted part of each of `items`, shape (items, candidates)."""
        return self._sums(items, weights, np.arange(len(items)), len(items), candidates)

    def _weights(self, histories: Histories) -> Floats:
        longest = 1 << len(histories.items).bit_length()  # few lengths, so that each is looked up again
        return _weights_by_age(longest, self.recency_decay).take(histories.ages)

    def sums_under(
        self, recency_decays: Sequence[float], histories: Histories, candidates: Candidates
    ) -> Floats:
        """Sum under several recency decays, without the logarithm; shape (decays, histories, candidates)."""
        rest = histories.owners, len(histories), candidates
        tried = (replace(self, recency_decay=decay)._weights(histories) for decay in recency_decays)
        return np.stack([self._sums(histories.items, weights, *rest) for weights in tried])

    @abstractmethod
    def reached(self, items: Codes) -> Codes | None:
        """Name the items that a history of these events may score above 0, some of them repeatedly.

        None if they may be most of the catalogue.
        """

    @abstractmethod
    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        """Add up the weighted parts of `items` by owner, shape (n_owners, candidates)."""

    @abstractmethod
    def _sums_of_lists(self, items: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        """Add up the weighted parts of `items` by owner, for the candidates of each; shape (pairs,)."""


@dataclass(frozen=True, kw_only=True)
class DecayedRows(DecayedSum):
    """A decayed sum whose parts come from a sparse matrix.

    Attributes
    ----------
    rows
        What each item brings with it, one row an item.
    """

    rows: SparseRows

    def arrays(self) -> Arrays:
        """Give the rows and the recency decay."""
        return {**self.rows.arrays(), "recency_decay": np.array([self.recency_decay])}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the rows, of one column an item, and the recency decay."""
        return cls(
            rows=SparseRows.from_arrays(arrays, arrays.n_items), recency_decay=stored_recency_decay(arrays)
        )


def stored_recency_decay(arrays: StoredArrays) -> float:
    """Take the recency decay of a stored signal.

    Raises
    ------
    ModelError
        If it is missing or makes no sense.
    """
    return arrays.number("recency_decay", 0, FASTEST_DECAY)


@dataclass(frozen=True, kw_only=True)
class DecayedNeighbours(DecayedRows):
    """`rows` are the neighbours of each item, and what each counts."""

    def with_items(self, updates: ItemUpdates) -> Self:
        """Know no neighbours of new items; those of the others stay."""
        return replace(self, rows=self.rows.padded(updates.n_items, updates.n_items))

    def reached(self, items: Codes) -> Codes:
        """Name the neighbours of the items."""
        _, at = self.rows.entries(items)
        return self.rows.columns.take(at)

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        return self.rows.sum_at(items, weights, owners, n_owners, candidates)

    def _sums_of_lists(self, items: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        return self.rows.sum_lists(items, weights, owners, lists)
