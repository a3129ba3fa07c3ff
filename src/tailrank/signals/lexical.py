"""Words that candidates share with recent items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.fading import FadingRows
from tailrank.signals.protocol import Candidates
from tailrank.signals.sparse import SparseRows


@dataclass(frozen=True, kw_only=True)
class Lexical(FadingRows):
    """Five times the cosine of TF-IDF vectors, summed over the history.

    Terms are weighted `(1 + log tf) * idf` with smoothed idf (Salton and Buckley, 1988). Model
    numbers, brands and sizes that a language model blurs are what it adds.
    `rows` are the unit TF-IDF vectors of the items.
    """

    name: ClassVar[str] = "lexical"
    steepness: ClassVar[float] = 5.0

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Learn the vocabulary and weigh the terms of each item's text."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
        if not any(map(vectorizer.build_analyzer(), texts)):
            return cls(rows=SparseRows.of(sp.csr_array((len(texts), 1), dtype=np.float32)))
        return cls(rows=SparseRows.of(vectorizer.fit_transform(texts)))

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
