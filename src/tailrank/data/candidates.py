"""Items to score, and the protocol of whatever scores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Protocol, runtime_checkable

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.histories import Histories, flat_offsets

FOLD: Final = 1 << 15
"""Number of low-bit patterns of item codes that the table tells apart."""


SPARSE: Final = 32
"""Low-bit patterns for each candidate of a list: more make a larger table, fewer find more in vain."""


@dataclass(frozen=True)
class Candidates:
    """Items to score, the same for every history of a call.

    Attributes
    ----------
    codes
        Distinct item codes, shape (candidates,).
    n_items
        Size of the catalogue.
    whole
        Whether candidate `c` is item `c`, so that nothing needs gathering.
    """

    codes: Codes
    n_items: int
    whole: bool = False

    @classmethod
    def everything(cls, n_items: int) -> Candidates:
        """Make candidates of the whole catalogue, in code order."""
        return cls(np.arange(n_items, dtype=np.int32), n_items, whole=True)

    def __len__(self) -> int:
        return len(self.codes)

    def find(self, items: Codes) -> tuple[Offsets, Codes | Offsets]:
        """Find the candidates among items.

        In a large catalogue a table of the codes' low bits rules nearly all others out, so that a request
        needs no array as large as the catalogue.

        Parameters
        ----------
        items
            Item codes, shape (n,).

        Returns
        -------
        tuple[Offsets, Codes | Offsets]
            Positions of candidates in `items`, and which candidates they are; each of shape (found,).
        """
        if self.whole:
            return np.arange(len(items)), items.astype(np.int64)
        if self.n_items <= FOLD:
            slots = self._slots.take(items, mode="clip")  # which skips a copy
            (at,) = (slots >= 0).nonzero()
            return at, slots.take(at)
        marks, ordered, order = self._table
        (at,) = marks.take(items & (FOLD - 1)).nonzero()
        codes = items.take(at)
        positions = ordered.searchsorted(codes)
        (right,) = (ordered.take(positions, mode="clip") == codes).nonzero()
        return at.take(right), order.take(positions.take(right))

    @cached_property
    def _slots(self) -> Codes:
        """Position of each item among the candidates, -1 if it is none; shape (items,)."""
        slots = np.full(self.n_items, -1, np.int32)
        slots[self.codes] = np.arange(len(self.codes), dtype=np.int32)
        return slots

    @cached_property
    def _table(self) -> tuple[Bools, Codes, Offsets]:
        """Which low bits occur, the codes in ascending order, and the position of each of these."""
        marks = np.zeros(FOLD, np.bool_)
        marks[self.codes & (FOLD - 1)] = True
        order = self.codes.argsort()
        return marks, self.codes.take(order), order


@dataclass(frozen=True)
class CandidateLists:
    """Items to score, for each history its own, one list after the other.

    Attributes
    ----------
    codes
        Item codes, distinct within a list, shape (pairs,).
    offsets
        List `u`, of history `u`, is the slice `offsets[u]:offsets[u + 1]`; shape (histories + 1,).
    n_items
        Size of the catalogue.
    """

    codes: Codes
    offsets: Offsets
    n_items: int

    @classmethod
    def concatenate(cls, lists: Sequence[Candidates]) -> CandidateLists:
        """Put the candidates of one history after those of another."""
        offsets = flat_offsets(np.array([len(each) for each in lists]))
        return cls(np.concatenate([each.codes for each in lists]), offsets, lists[0].n_items)

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def lengths(self) -> Offsets:
        """Number of candidates of each history, shape (histories,)."""
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> Offsets:
        """Number of the history that each candidate belongs to, shape (pairs,)."""
        return np.arange(len(self.offsets) - 1, dtype=np.int64).repeat(self.lengths)

    @property
    def slices(self) -> list[slice]:
        """Where each list is."""
        return [slice(*bounds) for bounds in pairwise(self.offsets.tolist())]

    def find(self, items: Codes, sizes: Offsets) -> tuple[Offsets, Offsets]:
        """Find the candidates among items, each of which is looked for in one list only.

        Parameters
        ----------
        items
            Item codes, those for the first list first, shape (n,).
        sizes
            How many are looked for in each list, shape (histories,).

        Returns
        -------
        tuple[Offsets, Offsets]
            Positions of candidates in `items`, and which of all pairs they are; each of shape (found,).
        """
        marks, ordered, order = self._table
        places = np.arange(0, len(marks), self._fold).repeat(sizes)
        places += items & (self._fold - 1)
        (at,) = marks.take(places).nonzero()
        keys = places.take(at) // self._fold * self.n_items + items.take(at)
        positions = ordered.searchsorted(keys)
        (right,) = (ordered.take(positions, mode="clip") == keys).nonzero()
        return at.take(right), order.take(positions.take(right))

    @cached_property
    def _fold(self) -> int:
        """Number of low-bit patterns that the table tells apart in each list: many for each candidate."""
        return min(FOLD, 1 << (SPARSE * len(self) // max(len(self.lengths), 1)).bit_length())

    @cached_property
    def _table(self) -> tuple[Bools, Offsets, Offsets]:
        """As that of `Candidates`, with the number of the list before the low bits, and before the code."""
        marks = np.zeros(len(self.lengths) * self._fold, np.bool_)
        marks[self.owners * self._fold + (self.codes & (self._fold - 1))] = True
        keys = self.owners * self.n_items + self.codes
        order = keys.argsort()
        return marks, keys.take(order), order


class Scorer(Protocol):
    """Scores candidates for histories, with no knowledge of the other candidates.

    A candidate's score depends on it and the history alone, so that a batch and a single request
    agree, and scores can be cached.
    """

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score every candidate for every history; shape (histories, candidates)."""
        ...


@runtime_checkable
class ScoresLists(Protocol):
    """A scorer that is quicker for many short lists at once than for one after the other."""

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Score the candidates of each history as `Scorer.score` does; shape (pairs,)."""
        ...


def score_lists(scorer: Scorer, histories: Histories, lists: CandidateLists) -> Floats:
    """Score the candidates of each history, at once if the scorer can; shape (pairs,)."""
    if isinstance(scorer, ScoresLists):
        return scorer.score_lists(histories, lists)
    scores = np.empty(len(lists), np.float32)
    for row, pairs in enumerate(lists.slices):
        history = histories.cut(histories.offsets[row : row + 1], histories.offsets[row + 1 : row + 2])
        scores[pairs] = scorer.score(history, Candidates(lists.codes[pairs], lists.n_items))[0]
    return scores
