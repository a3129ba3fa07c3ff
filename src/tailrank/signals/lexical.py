"""Words that candidates share with recent items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.recency_decay import DecayedRows
from tailrank.signals.sparse import SparseRows
from tailrank.signals.vocabulary import Vocabulary, terms_of


@dataclass(frozen=True, kw_only=True)
class Lexical(DecayedRows):
    """Five times the cosine of TF-IDF vectors, summed over the history.

    Terms are weighted `(1 + log tf) * idf` with smoothed idf (Salton and Buckley, 1988). Model
    numbers, brands and sizes that a language model blurs are what it adds.
    `rows` are the unit TF-IDF vectors of the items.

    Attributes
    ----------
    vocabulary
        Terms and idf of the catalogue. They stay as they are when items come or change.
    """

    vocabulary: Vocabulary

    name: ClassVar[str] = "lexical"
    steepness: ClassVar[float] = 5.0

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Learn the vocabulary and weigh the terms of each item's text."""
        terms = terms_of(texts)
        vocabulary = Vocabulary.of(terms)
        return cls(rows=vocabulary.rows(terms), vocabulary=vocabulary)

    def with_items(self, new: ItemUpdates) -> Self:
        """Weigh the known terms of new texts."""
        rows = self.vocabulary.rows(terms_of(new.texts))
        return replace(self, rows=self.rows.placed(new.codes, new.n_items, rows))

    def arrays(self) -> Arrays:
        """Give the rows, the vocabulary and the fading."""
        return {**super().arrays(), "terms": self.vocabulary.letters, "idf": self.vocabulary.idf}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the rows, the vocabulary and the fading."""
        rows, vocabulary = SparseRows.from_arrays(arrays), Vocabulary(arrays["terms"], arrays["idf"])
        return cls(rows=rows, vocabulary=vocabulary, recency_decay=float(arrays["fading"][0]))

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        rows, size = self.rows, n_owners * len(candidates)
        of, at = rows.entries(items)
        cells = (owners * rows.width).take(of) + rows.columns.take(at)
        faded = rows.values.take(at) * (self.steepness * weights).take(of)
        query = np.bincount(cells, faded, n_owners * rows.width).reshape(n_owners, rows.width)
        if candidates.whole:
            return np.ascontiguousarray((rows.matrix @ query.astype(np.float32).T).T)
        of, at = rows.entries(candidates.codes)
        shared = query.take(rows.columns.take(at), axis=1) * rows.values.take(at)
        cells = np.arange(n_owners)[:, None] * len(candidates) + of
        summed = np.bincount(cells.ravel(), shared.ravel(), size)
        return summed.reshape(n_owners, len(candidates)).astype(np.float32)
