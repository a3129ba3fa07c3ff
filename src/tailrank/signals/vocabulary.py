"""Terms of item texts, and what each says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Floats, Offsets
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


def terms_of(texts: Sequence[str]) -> pl.Series:
    """Cut texts into lower-case words of at least two letters, digits, underscores or marks.

    Letters and their marks are composed (NFC), joiners and soft hyphens dropped. Of Chinese, Japanese, Thai,
    Lao, Khmer and Burmese, which are written without spaces, each letter and each two in a row are a term.

    Returns
    -------
    pl.Series
        A list of strings a text, shape (texts,).

    Examples
    --------
    >>> terms_of(["HP-364XL, a black ink", "तंबू खूंटी", "2m 帐篷钉"]).to_list()
    [['hp', '364xl', 'black', 'ink'], ['तंबू', 'खूंटी'], ['2m', '帐', '篷', '钉', '帐篷', '篷钉']]
    """
    # Lower case alone would leave the dot of a Turkish İ as a mark.
    lower = pl.Series(texts, dtype=pl.String).str.replace_all("İ", "i", literal=True).str.to_lowercase()
    visible = lower.str.normalize("NFC").str.replace_all(_INVISIBLE, "")
    words, runs = (visible.str.extract_all(pattern) for pattern in (_WORD, _RUN))
    if not runs.list.len().sum():
        return words
    unspaced = pl.Series(map(_letters_and_pairs, runs.to_list()), dtype=words.dtype)
    return words.list.concat(unspaced)


def _letters_and_pairs(runs: list[str]) -> list[str]:
    letters = [_LETTER.findall(run) for run in runs]
    return [term for run in letters for term in [*run, *map("".join, pairwise(run))]]


@dataclass(frozen=True)
class Terms:
    """How often each term occurs in each text.

    Attributes
    ----------
    names
        Of the terms, in order.
    texts, codes, counts
        A text, a term that it has, as a position in `names`, and how often; ordered by text and term,
        shape (n,) each.
    n_texts
        Number of texts, of which some may have no term.
    """

    names: pl.Series
    texts: Offsets
    codes: Offsets
    counts: Offsets
    n_texts: int

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Cut texts as `terms_of` does, and count."""
        found = terms_of(texts)
        flat, lengths = found.explode().drop_nulls(), found.list.len().to_numpy()
        names = flat.unique().sort()
        codes = flat.cast(pl.Enum(names)).to_physical().to_numpy()
        width = max(len(names), 1)
        cells, counts = np.unique(np.arange(len(found)).repeat(lengths) * width + codes, return_counts=True)
        return cls(names, *np.divmod(cells, width), counts, len(found))


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
    def from_terms(cls, terms: Terms) -> Self:
        """Learn it from the terms of each text."""
        texts_with = np.bincount(terms.codes, minlength=len(terms.names))
        idf = 1 + np.log((1 + terms.n_texts) / (1 + texts_with))
        letters = np.frombuffer("".join(f"{name}\n" for name in terms.names).encode(), np.uint8)
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

    def rows(self, terms: Terms) -> SparseRows:
        """Weigh terms by ``(1 + log tf) * idf``, each text to length one; terms that are new are passed over.

        Returns
        -------
        SparseRows
            One row a text, one column a term.
        """
        codes = np.array([self._codes.get(name, -1) for name in terms.names], np.int32).take(terms.codes)
        known = codes >= 0
        owners, codes = terms.texts[known], codes[known]
        values = (1 + np.log(terms.counts[known])) * self.idf.take(codes)
        lengths = np.bincount(owners, minlength=terms.n_texts)
        norms = np.sqrt(np.bincount(owners, values * values, terms.n_texts))
        values = (values / norms.take(owners)).astype(np.float32)
        return SparseRows(
            lengths.cumsum() - lengths,
            lengths,
            AppendableArray.from_array(codes),
            AppendableArray.from_array(values),
            len(self.idf),
        )

    @cached_property
    def _codes(self) -> dict[str, int]:
        terms = self.letters.tobytes().decode().split()
        return {term: code for code, term in enumerate(terms)}
