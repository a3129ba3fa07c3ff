"""Items to score, and the protocol of whatever scores them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.histories import Histories

FOLD: Final = 1 << 15
"""Number of low-bit patterns of item codes that the table tells apart."""


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


class Scorer(Protocol):
    """Scores candidates for histories, with no knowledge of the other candidates.

    A candidate's score depends on it and the history alone, so that a batch and a single request
    agree, and scores can be cached.
    """

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score every candidate for every history; shape (histories, candidates)."""
        ...
