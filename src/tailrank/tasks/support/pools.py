"""`Pool`: texts that belong to entries, and how like a question those of each entry are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.vocabulary import Terms, Vocabulary

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True)
class Pool:
    """Texts of entries, those of one entry together.

    Attributes
    ----------
    owners
        Position of the entry of each text, ascending, shape (texts,).
    texts
        As they were written.
    vectors
        Unit vectors of an encoder, shape (texts, d).
    words
        Unit TF-IDF vectors, shape (texts, terms).
    """

    owners: Codes
    texts: tuple[str, ...]
    vectors: Floats
    words: sp.csr_array

    @classmethod
    def from_texts(cls, owners: Codes, texts: Sequence[str], vectors: Floats, vocabulary: Vocabulary) -> Self:
        """Weigh the words of texts that are in the order of their owners."""
        return cls(owners, tuple(texts), vectors, weighed(texts, vocabulary))

    def with_text(self, owner: int, text: str, vector: Floats, vocabulary: Vocabulary) -> Self:
        """Add a text to those of an entry; one that it has already is added no second time."""
        first, end = np.searchsorted(self.owners, [owner, owner + 1])
        if text in self.texts[first:end]:
            return self
        import scipy.sparse as sp

        parts = [self.words[:end], weighed([text], vocabulary), self.words[end:]]
        return replace(
            self,
            owners=np.insert(self.owners, end, owner),
            texts=(*self.texts[:end], text, *self.texts[end:]),
            vectors=np.insert(self.vectors, end, vector, axis=0),
            words=sp.csr_array(sp.vstack([part for part in parts if part.shape[0]])),
        )

    def highest(self, values: Floats, n_entries: int) -> Floats:
        """Take the highest value among the texts of each entry; 0 if it has none, or none is above.

        Parameters
        ----------
        values
            Of each question and text, shape (questions, texts).

        Returns
        -------
        Floats
            Shape (questions, n_entries).
        """
        found = np.zeros((len(values), n_entries), np.float32)
        if len(self.owners):
            best = np.maximum.reduceat(values, self._starts, axis=1)
            found[:, self.owners[self._starts]] = np.maximum(best, 0)
        return found

    @cached_property
    def _starts(self) -> Offsets:
        return np.flatnonzero(np.diff(self.owners, prepend=-1))

    def sums(self, n_entries: int) -> Floats:
        """Add up the vectors of each entry, shape (n_entries, d)."""
        found = np.zeros((n_entries, self.vectors.shape[1]), np.float32)
        np.add.at(found, self.owners, self.vectors)
        return found


def weighed(texts: Sequence[str], vocabulary: Vocabulary) -> sp.csr_array:
    """Make unit TF-IDF vectors of texts, shape (texts, terms); unknown words are passed over."""
    return vocabulary.rows(Terms.from_texts(texts)).matrix
