"""Item texts that are written to be found: stuffed with words of other items, or copied from a best seller.

The words of an honest text hang together: others have them together, more often than by chance. Words that
are gathered from many items, to be found by the users of all of them, don't.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Codes, Doubles, Offsets
from tailrank.signals.vocabulary import Terms

Kind = Literal["stuffed", "copied"]

HONEST: Final = 0.005
"""Share of a catalogue's texts, those that hang together least, that sets the limit for `stuffed`."""

BEST: Final = 0.01
"""Share of items, the most popular, that a text may be copied from."""

ALIKE: Final = 0.8
"""Jaccard similarity of the terms of two texts from which one is a copy: both have so many of all."""

TERMS: Final = 200
"""Terms of a text, at most, whose pairs are looked at: a longer text is sampled."""

JUDGED: Final = 2_000
"""Texts of a catalogue, at most, that the limit is learned from."""

CLIP: Final = 2.0
"""Most that one pair may say, in natural logarithms."""


@dataclass(frozen=True)
class TextScreen:
    """What is usual in the texts of a catalogue.

    Attributes
    ----------
    codes
        Of terms, positions in the columns of `has`.
    has
        Which text has which term, zeros and ones, shape (texts, terms).
    best
        The most popular items, shape (best sellers,).
    limit
        Coherence below which a text is stuffed.
    """

    codes: dict[str, int]
    has: Any
    best: Offsets
    limit: float

    @classmethod
    def from_texts(cls, texts: Sequence[str], counts: Offsets, best: float = BEST) -> Self:
        """Learn it from a catalogue.

        Parameters
        ----------
        texts
            One an item.
        counts
            Events of each item, shape (items,).
        best
            Share of items, the most popular, that a text is compared with: more of them find more copies, and
            hold more honest variants.
        """
        import scipy.sparse as sp  # a third of a second, which a server without a screen needn't wait for

        terms = Terms.from_texts(texts)
        ones, shape = np.ones(len(terms.codes), np.float32), (terms.n_texts, len(terms.names))
        has = sp.csc_array((ones, (terms.texts, terms.codes)), shape=shape)
        sellers = np.argsort(-counts, kind="stable")[: max(1, round(best * len(counts)))]
        codes = {name: code for code, name in enumerate(terms.names)}
        judged = np.random.default_rng(0).permutation(terms.n_texts)[:JUDGED]
        usual = cls(codes, has, sellers, -np.inf).coherence([texts[item] for item in judged], judged)
        known = usual[~np.isnan(usual)]
        return cls(codes, has, sellers, float(np.quantile(known, HONEST)) if len(known) else -np.inf)

    def suspicions(self, texts: Sequence[str], items: Codes | Offsets) -> list[Kind | None]:
        """Say which texts look written to be found; `copied` goes first.

        Parameters
        ----------
        texts
            New ones.
        items
            Whose they are, shape (texts,): an item's former text is no other's. -1 is a new item.

        Examples
        --------
        >>> cups, teas = ["blue china cup", "white china cup"], ["loose green tea", "loose black tea"]
        >>> screen = TextScreen.from_texts(cups + teas, np.array([1, 9, 2, 2]))
        >>> screen.suspicions(["white china cup", "white tea"], np.array([-1, 2]))
        ['copied', 'stuffed']
        """
        stuffed = self.coherence(texts, items) < self.limit
        copied = self.likeness(texts, items) >= ALIKE
        return [
            "copied" if copy else "stuffed" if stuff else None
            for copy, stuff in zip(copied, stuffed, strict=True)
        ]

    def reasons(self, texts: Sequence[str], items: Codes | Offsets, ids: pl.Series) -> list[str]:
        """Say in words why texts look written to be found; nothing of those that don't.

        Parameters
        ----------
        texts, items
            As in `suspicions`; items that came after this was learned are new.
        ids
            Of the catalogue's items, shape (items,).

        Examples
        --------
        >>> cups, teas = ["blue china cup", "white china cup"], ["loose green tea", "loose black tea"]
        >>> screen = TextScreen.from_texts(cups + teas, np.array([1, 9, 2, 2]))
        >>> ids = pl.Series(["cup 1", "cup 2", "tea 1", "tea 2"])
        >>> screen.reasons(["white china cup", "white tea", "loose tea"], np.array([-1, 2, -1]), ids)
        ["has the words of 'cup 2', a best seller", 'has words that are not found together', '']
        """
        own = np.where(items < self.has.shape[0], items, -1)
        found = []
        for text, item, kind in zip(texts, own, self.suspicions(texts, own), strict=True):
            if kind == "copied":
                source = self.best[self._likenesses([text], item[None]).argmax()]
                found.append(f"has the words of {ids[int(source)]!r}, a best seller")
            else:
                found.append("has words that are not found together" if kind else "")
        return found

    def coherence(self, texts: Sequence[str], items: Codes | Offsets) -> Doubles:
        """Average what the pairs of a text's terms say, in natural logarithms.

        Of n other texts c_a have term a, c_b have b, and o have both, where chance would bring together
        e = c_a c_b / n: the pair says log((o + 1) / (e + 1)). Terms that no other text has say nothing.

        Returns
        -------
        Doubles
            NaN for texts with fewer than two terms that others have, shape (texts,).
        """
        known, _ = self._known(texts)
        return np.array([self._coherence(known[[at]].indices, int(item)) for at, item in enumerate(items)])

    def likeness(self, texts: Sequence[str], items: Codes | Offsets) -> Doubles:
        """Give the largest Jaccard similarity of a text's terms to those of a best seller, shape (texts,)."""
        largest: Doubles = self._likenesses(texts, items).max(axis=1, initial=0)
        return largest

    def _likenesses(self, texts: Sequence[str], items: Codes | Offsets) -> Doubles:
        """Compare with each best seller, shape (texts, best sellers)."""
        known, sizes = self._known(texts)
        best = self.has[self.best]
        common = (known @ best.T).toarray()
        share = common / np.maximum(sizes[:, None] + best.sum(axis=1) - common, 1)
        share[np.asarray(items)[:, None] == self.best] = 0
        return np.asarray(share, np.float64)

    def _known(self, texts: Sequence[str]) -> tuple[Any, Offsets]:
        """Give the terms of each text that the catalogue has, a row a text, and how many it has at all."""
        import scipy.sparse as sp

        terms = Terms.from_texts(texts)
        codes = np.array([self.codes.get(name, -1) for name in terms.names], np.int64)[terms.codes]
        rows, shape = terms.texts[codes >= 0], (terms.n_texts, self.has.shape[1])
        known = sp.csr_array((np.ones(len(rows), np.float32), (rows, codes[codes >= 0])), shape=shape)
        return known, np.bincount(terms.texts, minlength=terms.n_texts)

    def _coherence(self, codes: Offsets, item: int) -> float:
        if len(codes) > TERMS:
            codes = np.random.default_rng(0).choice(codes, TERMS, replace=False)
        has = self.has[:, codes]
        own = np.zeros(len(codes)) if item < 0 else has[[item]].toarray()[0]
        both = (has.T @ has).toarray() - np.outer(own, own)
        each = both.diagonal()
        pairs: Bools = (each[:, None] > 0) & (each > 0) & ~np.eye(len(codes), dtype=bool)
        if not pairs.any():
            return np.nan
        chance = np.outer(each, each) / max(1, self.has.shape[0] - (item >= 0))
        return float(np.log((both + 1) / (chance + 1)).clip(-CLIP, CLIP)[pairs].mean())
