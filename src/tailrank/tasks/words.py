"""`WordHead`: from the words and letters of texts to log-odds of labels."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from safetensors.numpy import save_file

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import ModelError, needs

if TYPE_CHECKING:
    import scipy.sparse as sp

HASHED: Final = 2**15
"""Columns of words, and as many of letters: which words they were, no folder says."""

LONGEST: Final = 1_000
"""Characters that are read: about as many as an encoder reads."""

_WORD: Final = re.compile(r"\b\w\w+\b")
_RUNS: Final = (2, 3, 4)


@dataclass(frozen=True)
class WordHead:
    """A linear map of TF-IDF: hashed words and pairs of them, and hashed runs of two to four letters.

    Counts are weighted `(1 + log tf) * idf` with smoothed idf (Salton and Buckley, 1988), words and letters
    each to length one.

    Attributes
    ----------
    idf
        Shape (2 * `HASHED`,).
    weights, bias
        Shape (2 * `HASHED`, labels), each as a half-precision number has it, and (labels,).
    share
        Weight of its log-odds beside those of the vector.
    """

    idf: Floats
    weights: Floats
    bias: Floats
    share: float = 1.0

    @classmethod
    def fit(cls, texts: Sequence[str], truth: Bools, share: float = 1.0) -> Self:
        """Fit linear support vector machines, one label against the rest.

        Parameters
        ----------
        texts
            n texts.
        truth
            Which text has which label, shape (n, labels). Each label occurs, and not everywhere.
        share
            As above.

        Raises
        ------
        RequestError
            If scikit-learn is missing.
        """
        with needs("a task's head", "language"):
            from sklearn.svm import LinearSVC
        counts = counts_of(texts)
        with_term = np.bincount(counts.indices, minlength=2 * HASHED)
        idf = (1 + np.log((1 + len(texts)) / (1 + with_term))).astype(np.float32)
        rows = weighted(counts, idf).astype(np.float64)
        fitted = [LinearSVC(random_state=0).fit(rows, column) for column in truth.T]
        weights = np.column_stack([machine.coef_[0] for machine in fitted])
        bias = np.concatenate([machine.intercept_ for machine in fitted]).astype(np.float32)
        # As a folder keeps them, so that what was saved answers alike.
        return cls(idf, weights.astype(np.float16).astype(np.float32), bias, share)

    def save(self, file: Path) -> None:
        """Write its arrays, weights in half precision."""
        weights = self.weights.astype(np.float16)
        save_file({"idf": self.idf, "weights": weights, "bias": self.bias}, file)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], labels: int, share: float) -> Self:
        """Take the arrays that `save` wrote.

        Raises
        ------
        ModelError
            If one is missing, of another shape or type, or not finite.
        """
        shapes = {"idf": (2 * HASHED,), "weights": (2 * HASHED, labels), "bias": (labels,)}
        for name, shape in shapes.items():
            array, kind = arrays.get(name, np.zeros(0)), np.float16 if name == "weights" else np.float32
            if array.dtype != kind or array.shape != shape or not np.isfinite(array).all():
                raise ModelError(f"words: `{name}` isn't {shape} finite numbers")
        return cls(arrays["idf"], arrays["weights"].astype(np.float32), arrays["bias"], share)

    def log_odds(self, texts: Sequence[str]) -> Doubles:
        """Score n texts; shape (n, labels)."""
        margins: Floats = weighted(counts_of(texts), self.idf) @ self.weights + self.bias
        return self.share * margins.astype(np.float64)


def counts_of(texts: Sequence[str]) -> sp.csr_matrix[Any]:
    """Count words and letters by their hashes, shape (n, 2 * `HASHED`)."""
    from scipy.sparse import csr_matrix

    columns, ends = list[int](), [0]
    for text in texts:
        lower = text[:LONGEST].lower()
        columns += map(_column, words_of(lower))
        columns += (HASHED + _column(letters) for letters in letters_of(lower))
        ends.append(len(columns))
    found = csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(texts), 2 * HASHED))
    found.sum_duplicates()
    return found


def weighted(counts: sp.csr_matrix[Any], idf: Floats) -> sp.csr_matrix[Any]:
    """Weigh counts by ``(1 + log tf) * idf``, the words and the letters of each text to length one."""
    from scipy.sparse import csr_matrix

    values = (1 + np.log(counts.data)) * idf[counts.indices]
    half = 2 * np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr)) + (counts.indices >= HASHED)
    values /= np.sqrt(np.bincount(half, values**2))[half]
    return csr_matrix((values.astype(np.float32), counts.indices, counts.indptr), counts.shape)


def _column(term: str) -> int:
    return zlib.crc32(term.encode(errors="replace")) % HASHED


def words_of(text: str) -> Iterator[str]:
    """Give the words of at least two letters, and pairs of them.

    Examples
    --------
    >>> list(words_of("my card is lost"))
    ['my', 'card', 'is', 'lost', 'my card', 'card is', 'is lost']
    """
    words = _WORD.findall(text)
    yield from words
    yield from map(" ".join, pairwise(words))


def letters_of(text: str) -> Iterator[str]:
    """Give the runs of two to four letters of each word with a space at both ends.

    Examples
    --------
    >>> list(letters_of("pin"))
    [' p', 'pi', 'in', 'n ', ' pi', 'pin', 'in ', ' pin', 'pin ']
    """
    for word in text.split():
        padded = f" {word} "
        for n in _RUNS:
            yield from (padded[at : at + n] for at in range(len(padded) - n + 1))
