"""Words that candidates share with recent items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Floats, Offsets
from tailrank.data.histories import Histories
from tailrank.signals.protocol import Arrays, Candidates
from tailrank.signals.sparse import SparseRows


@dataclass(frozen=True)
class Lexical:
    """Cosine of TF-IDF vectors, summed over a history that fades as `1 / (1 + age)`, then log(1 + 5 x).

    Terms are weighted `(1 + log tf) * idf` with smoothed idf (Salton and Buckley, 1988). Model
    numbers, brands and sizes that a language model blurs are what it adds.

    Attributes
    ----------
    rows
        Unit TF-IDF vectors, one row an item.
    """

    rows: SparseRows

    name: ClassVar[str] = "lexical"
    steepness: ClassVar[float] = 5.0

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Learn the vocabulary and weigh the terms of each item's text."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if not any(text.strip() for text in texts):
            return cls(SparseRows.of(sp.csr_array((len(texts), 1), dtype=np.float32)))
        vectors = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)
        return cls(SparseRows.of(vectors))

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Sum over each history; shape (histories, candidates)."""
        scores: Floats = np.log1p(
            self.steepness * self._sums(histories, histories.owners, len(histories), candidates)
        )
        return scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Share out the score of one history in proportion to the sums; shape (events, candidates)."""
        n = len(histories.items)
        parts = self._sums(histories, np.arange(n), n, candidates)
        total = parts.sum(axis=0)
        shares: Floats = parts * (np.log1p(self.steepness * total) / np.where(total > 0, total, 1))
        return shares

    def arrays(self) -> Arrays:
        """Give the rows."""
        return self.rows.arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the rows."""
        return cls(SparseRows.from_arrays(arrays))

    def _sums(self, histories: Histories, owners: Offsets, n_owners: int, candidates: Candidates) -> Floats:
        lengths, terms, values = self.rows.take(histories.items)
        values = values * np.repeat(1 / (1 + histories.ages), lengths)
        cells = np.repeat(owners * self.rows.width, lengths) + terms
        summed = np.bincount(cells, values, n_owners * self.rows.width)
        query: Floats = summed.astype(np.float32).reshape(n_owners, self.rows.width)
        wanted = self.rows if candidates.whole else self.rows.select(candidates.codes)
        return np.ascontiguousarray((wanted.matrix @ query.T).T)
