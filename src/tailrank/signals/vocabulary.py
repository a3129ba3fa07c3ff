"""Terms of item texts, and what each says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.appendable import AppendableArray
from tailrank.signals.sparse import SparseRows
from tailrank.signals.stored import StoredArrays

UNSPACED: Final = (
    r"[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]"
    r"&&[\p{L}\p{Nl}]]"
)
"""Letters of scripts that are written without spaces between words, as polars spells a class."""

_RUN: Final = rf"(?:{UNSPACED}\p{{M}}*)+"
_SPACED: Final = rf"[\p{{L}}\p{{N}}_--{UNSPACED}]"
_WORD: Final = rf"{_SPACED}[{_SPACED}\p{{M}}]+"
_INVISIBLE: Final = r"[\p{Default_Ignorable_Code_Point}--\x{200B}]"  # a zero-width space does part words
_LETTER: Final = re.compile(r"\w\W*")  # with its marks: a run holds nothing else

SMALLEST_IDF: Final = 1e-3
"""Less than any text gives a term."""

Terms: TypeAlias = Sequence[Sequence[str]]


def terms_of(texts: Iterable[str]) -> Terms:
    """Cut texts into lower-case words of at least two letters, digits, underscores or marks.

    Letters and their marks are composed (NFC), joiners and soft hyphens dropped. Of Chinese, Japanese, Thai,
    Lao, Khmer and Burmese, which are written without spaces, each letter and each two in a row are a term.

    Examples
    --------
    >>> terms_of(["HP-364XL, a black ink", "तंबू खूंटी", "2m 帐篷钉"])
    [['hp', '364xl', 'black', 'ink'], ['तंबू', 'खूंटी'], ['2m', '帐', '篷', '钉', '帐篷', '篷钉']]
    """
    composed = pl.Series([_composed(text) for text in texts], dtype=pl.String)
    visible = composed.str.replace_all(_INVISIBLE, "")
    words, runs = (visible.str.extract_all(pattern).to_list() for pattern in (_WORD, _RUN))
    return [
        found + list(chain.from_iterable(map(_letters_and_pairs, unspaced))) if unspaced else found
        for found, unspaced in zip(words, runs, strict=True)
    ]


def _composed(text: str) -> str:
    """Write a text in lower case and NFC; `lower` alone would leave the dot of a Turkish İ as a mark."""
    return unicodedata.normalize("NFC", text.replace("İ", "i").lower())


def _letters_and_pairs(run: str) -> list[str]:
    letters: list[str] = _LETTER.findall(run)
    return [*letters, *map("".join, pairwise(letters))]


@dataclass(frozen=True)
class Vocabulary:
    """The terms of a catalogue with their smoothed idf (Salton and Buckley, 1988).

    Attributes
    ----------
    letters
        The terms in order, UTF-8, each ended by a line feed: shape (bytes,).
    idf
        ``1 + log((1 + texts) / (1 + texts with the term))``, shape (terms,).
    """

    letters: npt.NDArray[np.uint8]
    idf: Floats

    @classmethod
    def from_terms(cls, texts: Terms) -> Self:
        """Learn it from the terms of each text."""
        known = sorted(set(chain.from_iterable(texts)))
        _, codes, _ = _counted(texts, {term: code for code, term in enumerate(known)})
        texts_with = np.bincount(codes, minlength=len(known))
        idf = 1 + np.log((1 + len(texts)) / (1 + texts_with))
        letters = np.frombuffer("".join(f"{term}\n" for term in known).encode(), np.uint8)
        return cls(letters, idf.astype(np.float32))

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the arrays of a stored signal: `terms`, the letters, and `idf`.

        Raises
        ------
        ModelError
            If they aren't those of a vocabulary.
        """
        arrays.text("terms")
        found = cls(arrays.arrays["terms"], arrays.floats("idf", None, least=SMALLEST_IDF))
        if len(found._codes) != len(found.idf):
            raise arrays.error("terms", f"{len(found._codes)} where {len(found.idf)} are expected")
        return found

    def rows(self, texts: Terms) -> SparseRows:
        """Weigh terms by ``(1 + log tf) * idf``, each text to length one; terms that are new are passed over.

        Returns
        -------
        SparseRows
            One row a text, one column a term.
        """
        owners, codes, counts = _counted(texts, self._codes)
        values = (1 + np.log(counts)) * self.idf.take(codes)
        lengths = np.bincount(owners, minlength=len(texts))
        norms = np.sqrt(np.bincount(owners, values * values, len(texts)))
        values = (values / norms.take(owners)).astype(np.float32)
        columns = AppendableArray.from_array(codes.astype(np.int32))
        return SparseRows(
            lengths.cumsum() - lengths, lengths, columns, AppendableArray.from_array(values), len(self.idf)
        )

    @cached_property
    def _codes(self) -> dict[str, int]:
        terms = self.letters.tobytes().decode().split()
        return {term: code for code, term in enumerate(terms)}


def _counted(texts: Terms, codes: dict[str, int]) -> tuple[Offsets, Codes, Offsets]:
    """Count known terms: the text, the term and how often it occurs there, ordered by both."""
    found = [[codes[term] for term in terms if term in codes] for terms in texts]
    lengths = np.fromiter(map(len, found), np.int64, len(found))
    flat = np.fromiter(chain.from_iterable(found), np.int64, int(lengths.sum()))
    width = max(len(codes), 1)
    cells, counts = np.unique(np.arange(len(found)).repeat(lengths) * width + flat, return_counts=True)
    owners, terms = np.divmod(cells, width)
    return owners, terms, counts
