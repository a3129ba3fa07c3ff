"""How like a question each entry is, in several respects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.vocabulary import Terms, Vocabulary
from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.pools import Pool, weighed

RESPECTS: Final = ("phrasing", "centre", "words", "answer", "answer_words")
"""Cosines with an entry: its nearest phrasing and the mean of its phrasings by the encoder, its nearest
phrasing by words; its nearest answer by the encoder and by words."""


@dataclass(frozen=True)
class Likeness:
    """The phrasings and answers of all entries, to compare questions with.

    Attributes
    ----------
    n_entries
        Number of entries.
    vocabulary
        Of all phrasings and answers.
    phrasings, answers
        What is compared.
    rejected
        Questions which an entry was said not to answer; an entry may have none.
    """

    n_entries: int
    vocabulary: Vocabulary
    phrasings: Pool
    answers: Pool
    rejected: Pool = field(repr=False)

    @classmethod
    def from_entries(cls, entries: Sequence[Entry], phrasings: Floats, answers: Floats) -> Self:
        """Weigh words, and take vectors of `texts_of(entries)`.

        Parameters
        ----------
        entries
            At least one.
        phrasings, answers
            Unit vectors of all phrasings, and of all answers, in the order of the entries.
        """
        asked, answered = texts_of(entries)
        vocabulary = Vocabulary.from_terms(Terms.from_texts([*asked, *answered]))
        n, codes = len(entries), np.arange(len(entries), dtype=np.int32)
        owners = codes.repeat([len(entry.phrasings) for entry in entries])
        of_answers = codes.repeat([len(entry.answers) for entry in entries])
        return cls(
            n,
            vocabulary,
            Pool.from_texts(owners, asked, phrasings, vocabulary),
            Pool.from_texts(of_answers, answered, answers, vocabulary),
            Pool.from_texts(codes[:0], [], phrasings[:0], vocabulary),
        )

    def with_accepted(self, entries: Codes, texts: Sequence[str], vectors: Floats) -> Self:
        """Add phrasings, shape (n,), (n,) and (n, d), each to an entry."""
        return replace(self, phrasings=self.phrasings.with_texts(entries, texts, vectors, self.vocabulary))

    def with_rejected(self, entries: Codes, texts: Sequence[str], vectors: Floats) -> Self:
        """Note questions, shape (n,), (n,) and (n, d), that entries don't answer."""
        return replace(self, rejected=self.rejected.with_texts(entries, texts, vectors, self.vocabulary))

    def __call__(self, texts: Sequence[str], vectors: Floats, left_out: Offsets | None = None) -> Floats:
        """Compare questions with every entry.

        An entry that a question was rejected for is as much less like all questions as these are liker the
        rejected one than its own phrasings.

        Parameters
        ----------
        texts, vectors
            n questions, and their unit vectors, shape (n, d).
        left_out
            Position of the phrasing that each question is and that it isn't compared with, shape (n,).

        Returns
        -------
        Floats
            Shape (n, entries, RESPECTS).
        """
        words, n = weighed(texts, self.vocabulary), self.n_entries
        near = vectors @ self.phrasings.vectors.T
        alike = (words @ self.phrasings.words.T).toarray()
        sums = np.broadcast_to(self._norms, (len(texts), n)).copy()
        centre = vectors @ self._sums.T
        if left_out is not None:
            rows = np.arange(len(texts))
            near[rows, left_out] = alike[rows, left_out] = -1
            own = rows, self.phrasings.owners[left_out]
            sums[own] = np.linalg.norm(self._sums[own[1]] - vectors, axis=1)
            centre[own] -= np.square(vectors).sum(axis=1)
        phrasing = self.phrasings.highest(near, n)
        against = self.rejected.highest(vectors @ self.rejected.vectors.T, n)
        found = [
            phrasing - np.maximum(against - phrasing, 0),
            centre / np.maximum(sums, np.float32(1e-6)),
            self.phrasings.highest(alike, n),
            self.answers.highest(vectors @ self.answers.vectors.T, n),
            self.answers.highest((words @ self.answers.words.T).toarray(), n),
        ]
        return np.stack(found, axis=2)

    def questions(self, entries: Codes) -> Floats:
        """Give the vectors of the questions of entries, shape (n, d)."""
        return self.phrasings.vectors[np.searchsorted(self.phrasings.owners, entries)]

    def to_centres(self, vectors: Floats) -> Floats:
        """Compare unit vectors, shape (n, d), with the mean of each entry's phrasings; shape (n, entries)."""
        return (vectors @ self._sums.T / np.maximum(self._norms, 1e-6)).astype(np.float32)

    @cached_property
    def _sums(self) -> Floats:
        return self.phrasings.sums(self.n_entries)

    @cached_property
    def _norms(self) -> Floats:
        norms: Floats = np.linalg.norm(self._sums, axis=1)
        return norms

    def others(self) -> tuple[Offsets, Codes]:
        """Find the phrasings whose entry has another one, so that it is known without it.

        Returns
        -------
        tuple[Offsets, Codes]
            Their positions, and their entries.
        """
        counts = np.bincount(self.phrasings.owners, minlength=self.n_entries)
        at = np.flatnonzero(counts[self.phrasings.owners] > 1)
        return at, self.phrasings.owners[at]


def texts_of(entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """List the phrasings and the answers of all entries, in order."""
    asked = [text for entry in entries for text in entry.phrasings]
    return asked, [text for entry in entries for text in entry.answers]
