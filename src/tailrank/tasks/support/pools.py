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

    def with_texts(
        self, owners: Codes, texts: Sequence[str], vectors: Floats, vocabulary: Vocabulary
    ) -> Self:
        """Add texts behind those of their entries; one that its entry has already is added no second time."""
        import scipy.sparse as sp

        known = dict.fromkeys(zip(self.owners.tolist(), self.texts, strict=True), -1)
        for at, pair in enumerate(zip(owners.tolist(), texts, strict=True)):
            known.setdefault(pair, at)
        new = [at for at in known.values() if at >= 0]
        if not new:
            return self
        added = [texts[at] for at in new]
        owners, texts = np.append(self.owners, owners[new]), [*self.texts, *added]
        order = np.argsort(owners, kind="stable")
        return replace(
            self,
            owners=owners[order],
            texts=tuple(texts[at] for at in order),
            vectors=np.concatenate([self.vectors, vectors[new]])[order],
            words=sp.csr_array(sp.vstack([self.words, weighed(added, vocabulary)], format="csr"))[order],
        )

    def texts_of(self, owner: int) -> tuple[str, ...]:
        """Give the texts of an entry."""
        first, end = np.searchsorted(self.owners, [owner, owner + 1])
        return self.texts[first:end]

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
