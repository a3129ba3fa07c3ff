"""Whether what a model writes of an item is grounded in its fields, or at least in the catalogue's own texts.

A fact is grounded if each of its words, but for those that say nothing, stands in the item's fields. A likely
audience or use may also have words that the texts of other items say together with the item's words: more
often than chance would have it, by Fisher's exact test. A number has to stand in the fields in any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import scipy.sparse as sp
from scipy.stats import hypergeom

from tailrank.arrays import Doubles

SAYS_NOTHING: Final = frozenset(
    word
    for words in (
        "a an the and or of for to in on at by with from as is are was be been has have had it its this that",
        "these those which who can may used use uses using such also other any all both each more made make",
        "product item people person users user anyone",
    )
    for word in words.split()
)
CHANCE: Final = 1e-4
"""Probability of two words standing together as often by chance, below which they belong together."""

TOGETHER: Final = 3
"""Items that must say both, besides the item itself."""

_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)*")


def words_of(text: str) -> list[str]:
    """List the words of a text: lower-case, without a plural's s, and without those that say nothing.

    Examples
    --------
    >>> words_of("The Campers' 2 tents are made of glass.")
    ['camper', '2', 'tent', 'glass']
    """
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in SAYS_NOTHING]


def _stem(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if plural else word


@dataclass(frozen=True)
class Grounds:
    """The words of a catalogue's texts.

    Attributes
    ----------
    words
        Column of each word.
    has
        Which item's fields have which word, as 1, shape (items, words).
    """

    words: dict[str, int]
    has: sp.csr_array

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Read the fields of all items, as `item_texts` joins them.

        Examples
        --------
        >>> grounds = Grounds.from_texts(["tent, camping"] * 9 + ["tent", *["ink"] * 90])
        >>> grounds.ungrounded(9, "a red tent"), grounds.ungrounded(9, "camping", likely=True)
        ('red', None)
        >>> grounds.ungrounded(9, "camping"), grounds.ungrounded(9, "offices with ink", likely=True)
        ('camping', 'office')
        """
        found = [set(words_of(text)) for text in texts]
        words = {word: at for at, word in enumerate(sorted(set().union(*found)))}
        columns = np.array([words[word] for each in found for word in each], np.int64)
        ends = np.cumsum([0, *map(len, found)])
        shape = (len(texts), len(words))
        return cls(words, sp.csr_array((np.ones(len(columns)), columns, ends), shape=shape))

    def ungrounded(self, item: int, statement: str, likely: bool = False) -> str | None:
        """Name the first word of a statement about an item that has no ground; None if all have.

        Parameters
        ----------
        item
            Row of the item.
        statement
            What is said of it.
        likely
            Whether it is a likely audience or use, not a fact.
        """
        own = self._own(item)
        for word in words_of(statement):
            at = self.words.get(word)
            if at is None:
                return word
            if at not in own and (not likely or word[0].isdigit() or not self._goes_with(item, at)):
                return word
        return None

    def associated(self, item: int, most: int) -> list[str]:
        """Name the words that go best with an item's own, which it lacks."""
        own = self._own(item)
        chances = np.ones(len(self.words))
        for each in own:
            chances = np.minimum(chances, self._chances(item, each))
        chances[sorted(own)] = 1.0
        names = list(self.words)
        best = np.argsort(chances, kind="stable")[:most]
        return [names[at] for at in best.tolist() if chances[at] < CHANCE]

    def _own(self, item: int) -> set[int]:
        row = slice(self.has.indptr[item], self.has.indptr[item + 1])
        return set(self.has.indices[row].tolist())

    def _goes_with(self, item: int, word: int) -> bool:
        return any(self._chances(item, each)[word] < CHANCE for each in self._own(item))

    def _chances(self, item: int, word: int) -> Doubles:
        """Say how probable it is that each word stands with one as often as it does, or more often.

        The item itself doesn't count. Of words that stand together in too few items, it is 1.
        """
        holders = self.has[:, [word]].toarray().ravel() > 0
        holders[item] = False
        with_word = np.asarray(self.has[holders].sum(axis=0)).ravel()
        totals = np.asarray(self.has.sum(axis=0)).ravel()
        chances = np.ones(len(totals))
        often = with_word >= TOGETHER
        chances[often] = hypergeom.sf(
            with_word[often] - 1, self.has.shape[0], totals[often], int(holders.sum())
        )
        return chances
