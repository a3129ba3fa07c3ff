"""Signals that compare candidates with recent items by sparse vectors of what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import Histories
from tailrank.signals.recency_decay import DecayedRows
from tailrank.signals.sparse import summed

BLOCK: Final = 4096
"""Items that are looked at, or whose scores are transposed, at once."""


@dataclass(frozen=True, kw_only=True)
class SharedTerms(DecayedRows):
    """A decayed sum of cosines; `rows` are unit vectors, one an item, one column a term."""

    steepness: ClassVar[float] = 5.0
    """Factor of each cosine, before the logarithm."""

    def sums_under(
        self, recency_decays: Sequence[float], histories: Histories, candidates: Candidates
    ) -> Floats:
        """Sum under all of them at once, so that the rows are read once; see `DecayedSum.sums_under`."""
        shape = (len(recency_decays), len(histories), len(candidates))
        weights = [replace(self, recency_decay=decay)._weights(histories) for decay in recency_decays]
        owners = np.arange(shape[0] * shape[1]).reshape(shape[:2]).take(histories.owners, axis=1)
        items, n_owners = np.tile(histories.items, shape[0]), shape[0] * shape[1]
        sums = self._sums(items, np.concatenate(weights), owners.ravel(), n_owners, candidates)
        return sums.reshape(shape)

    def reached(self, items: Codes) -> None:
        """Reach most of the catalogue, by its commonest words."""
        return

    def _parts(self, items: Codes, weights: Floats, candidates: Candidates) -> Floats:
        """Multiply tables of the terms of the events, which few candidates' terms are among."""
        of, at = self.rows.entries(items)
        terms, slots = np.unique(self.rows.columns.take(at), return_inverse=True)
        values = (self.steepness * weights).take(of)
        values *= self.rows.values.take(at)
        said = np.zeros((len(items), len(terms)), np.float32)
        said[of, slots] = values
        parts = np.empty((len(items), len(candidates)), np.float32)
        columns = Candidates(terms, self.rows.width)
        for start in range(0, len(candidates), BLOCK):
            some = slice(start, start + BLOCK)
            np.matmul(said, self._at(columns, candidates.codes[some]).T, out=parts[:, some])
        return parts

    def _at(self, columns: Candidates, items: Codes) -> Floats:
        """Make a table of some columns of the rows, shape (items, columns)."""
        of, at = self.rows.entries(items)
        hits, slots = columns.find(self.rows.columns.take(at))
        table = np.zeros((len(items), len(columns)), np.float32)
        table[of.take(hits), slots] = self.rows.values.take(at.take(hits))
        return table

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        rows = self.rows
        of, at = rows.entries(items)
        decayed = (self.steepness * weights).take(of)
        decayed *= rows.values.take(at)
        query = summed(owners.take(of), rows.columns.take(at), decayed, (n_owners, rows.width))
        if candidates.whole:
            return _transposed(rows.matrix @ query.T)
        of, at = rows.entries(candidates.codes)
        shared = query.take(rows.columns.take(at), axis=1)
        shared *= rows.values.take(at)
        return summed(np.arange(n_owners)[:, None], of, shared, (n_owners, len(candidates)))

    def _sums_of_lists(self, items: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        rows = self.rows
        of, at = rows.entries(items)
        decayed = (self.steepness * weights).take(of)
        decayed *= rows.values.take(at)
        keys, places = np.unique(owners.take(of) * rows.width + rows.columns.take(at), return_inverse=True)
        query = np.bincount(places, decayed).astype(np.float32)
        said = CandidateLists(
            keys % rows.width, keys.searchsorted(np.arange(len(lists.offsets)) * rows.width), rows.width
        )
        of, slots, shared = rows.found(lists.codes, lists.owners, said)
        shared *= query.take(slots)
        return np.bincount(of, shared, len(lists)).astype(np.float32)


def _transposed(table: Floats) -> Floats:
    """Transpose a tall table a block at a time, three times as fast as all at once: it stays in the cache."""
    found = np.empty(table.shape[::-1], table.dtype)
    for start in range(0, len(table), BLOCK):
        found[:, start : start + BLOCK] = table[start : start + BLOCK].T
    return found
