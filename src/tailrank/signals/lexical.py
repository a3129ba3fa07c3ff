"""Words that candidates share with recent items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.decay_choice import fit_recency_decay
from tailrank.signals.recency_decay import stored_recency_decay
from tailrank.signals.shared_terms import SharedTerms
from tailrank.signals.sparse import SparseRows
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData
from tailrank.signals.vocabulary import Terms, Vocabulary


@dataclass(frozen=True, kw_only=True)
class Lexical(SharedTerms):
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

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Learn the vocabulary and weigh the terms of each item's text."""
        terms = Terms.from_texts(texts)
        vocabulary = Vocabulary.from_terms(terms)
        return cls(rows=vocabulary.rows(terms), vocabulary=vocabulary)

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Read the texts, then choose the recency decay."""
        return [fit_recency_decay(cls.from_texts(data.texts), data)]

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is: more events change no text."""
        return self

    def with_items(self, updates: ItemUpdates) -> Self:
        """Weigh the known terms of new texts."""
        rows = self.vocabulary.rows(Terms.from_texts(updates.texts))
        return replace(self, rows=self.rows.with_rows(updates.codes, updates.n_items, rows))

    def arrays(self) -> Arrays:
        """Give the rows, the vocabulary and the recency decay."""
        return {**super().arrays(), "terms": self.vocabulary.letters, "idf": self.vocabulary.idf}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the rows, the vocabulary and the recency decay."""
        vocabulary = Vocabulary.from_arrays(arrays)
        rows = SparseRows.from_arrays(arrays, len(vocabulary.idf))
        return cls(rows=rows, vocabulary=vocabulary, recency_decay=stored_recency_decay(arrays))
