"""The items that pages may show, and where to find them by words of their titles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import polars as pl

from tailrank.api_page import Card
from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.ranking.reasons import titles_of
from tailrank.server.loaded_model import LoadedModel

LONGEST_TITLE: Final = 120
LONGEST_TEXT: Final = 200

AT_ONCE: Final = 50_000
"""Items whose vectors are gathered at once."""

WORDS: Final = 8
"""Words of a query that are looked for."""


@dataclass(frozen=True)
class CardIndex:
    """Items of one model as it serves, but for those that a review keeps out of lists.

    Attributes
    ----------
    served
        The model.
    codes
        Item codes, ascending, shape (items,).
    ids, titles
        One an item.
    tail
        Which are outside the most popular 20%, shape (items,).
    counts
        Training events of each, shape (items,).
    """

    served: LoadedModel
    codes: Codes
    ids: list[str]
    titles: list[str]
    tail: Bools
    counts: Offsets

    @classmethod
    def from_model(cls, served: LoadedModel) -> Self:
        """Read the titles of all items."""
        catalogue, blocked = served.reranker.catalogue, served.reviews.step.blocked
        codes = catalogue.known_codes
        ids = catalogue.ids_of(codes)
        if blocked:
            shown = np.fromiter((name not in blocked for name in ids), bool, len(ids))
            codes, ids = codes[shown], [name for name in ids if name not in blocked]
        titles = titles_of(catalogue, ids, LONGEST_TITLE)
        return cls(
            served, codes, ids, list(titles.values()), catalogue.tail_of(codes), catalogue.counts.take(codes)
        )

    def is_of(self, served: LoadedModel) -> bool:
        """Whether a model has the same items, under the same reviews."""
        same_items = self.served.reranker.catalogue is served.reranker.catalogue
        return same_items and self.served.reviews is served.reviews

    def rows_of(self, ids: Sequence[str]) -> Offsets:
        """Look items up, each once and in their order; those that aren't shown are left out."""
        codes = self.served.reranker.catalogue.codes_of(list(dict.fromkeys(ids)))
        return self.rows_at(codes[codes >= 0])

    def rows_at(self, codes: Codes) -> Offsets:
        """Look items up by their codes; those that aren't shown are left out."""
        rows: Offsets = self.codes.searchsorted(codes)
        shown: Bools = self.codes.take(rows, mode="clip") == codes
        return rows[shown]

    def find(self, query: str, k: int) -> Offsets:
        """Find items by the words of a query, all of which begin or are within words of the title.

        Titles with a word that begins as the query does come first, and of these the best known.
        """
        words = re.findall(r"\w+", query.lower())[:WORDS]
        found = np.ones(len(self.ids), bool)
        for word in words:
            found &= self._lowered.str.contains(word, literal=True).to_numpy()
        (rows,) = found.nonzero()
        begins = np.zeros(len(rows), bool)
        if words:
            begins = self._lowered.gather(rows).str.contains(rf"(?:^|\W){words[0]}").to_numpy()
        return rows[np.lexsort((-self.counts[rows], ~begins))[:k]]

    def nearest(self, space: str, vector: Floats, k: int, found: Offsets) -> Offsets:
        """Find the items whose vectors are nearest to an encoder's vector, but for those found already.

        Parameters
        ----------
        space
            Name of a vector space.
        vector
            Of its encoder, shape (width,).
        k
            How many items; those without text are left out.
        found
            Rows to leave out.
        """
        reranker = self.served.reranker
        signal = reranker.attention(space)
        query = reranker.spaces[space].transform(vector[None])[0]
        parts = np.array_split(self.codes, 1 + len(self.codes) // AT_ONCE)
        likeness = np.concatenate([signal.vectors_of(part) @ query for part in parts])
        likeness[found] = -np.inf
        best = np.argsort(-likeness, kind="stable")[:k]
        return best[likeness[best] > 0]

    def cards(self, rows: Offsets) -> list[Card]:
        """Show items, with the text that encoders read."""
        served, names = self.served, [self.ids[row] for row in rows.tolist()]
        texts = served.texts([served.columns(name) for name in names])
        return [
            Card(name, self.titles[row], _shortened(text), int(self.counts[row]), bool(self.tail[row]))
            for name, text, row in zip(names, texts, rows.tolist(), strict=True)
        ]

    @cached_property
    def _lowered(self) -> pl.Series:
        return pl.Series(self.titles, dtype=pl.String).str.to_lowercase()


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
