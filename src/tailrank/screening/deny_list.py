"""Words and phrases that hold an item back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import polars as pl

from tailrank.errors import DataError
from tailrank.signals.vocabulary import UNSPACED

EVERYWHERE: Final = ""
"""Stands for the markets that aren't named."""

_WORD: Final = rf"{UNSPACED}\p{{M}}*|(?:[\p{{L}}\p{{N}}_--{UNSPACED}]\p{{M}}*)+"
_INVISIBLE: Final = r"\p{Default_Ignorable_Code_Point}"
_MARKET: Final = re.compile(r"\[\s*([^\[\]]*?)\s*\]")


def words_of(texts: Sequence[str]) -> list[list[str]]:
    """Cut texts into words as a deny-list compares them.

    Case, invisible characters and the width of letters don't count (NFKC). Of Chinese, Japanese, Thai, Lao,
    Khmer and Burmese, which are written without spaces, each letter is a word.

    Examples
    --------
    >>> words_of(["Miracle\u00adCURE, straße", "减肥药"])
    [['miraclecure', 'strasse'], ['减', '肥', '药']]
    """
    folded = pl.Series([text.casefold() for text in texts], dtype=pl.String)
    visible = folded.str.normalize("NFKC").str.replace_all(_INVISIBLE, "")
    # Of some letters the wide form has a case of its own.
    return visible.str.to_lowercase().str.extract_all(_WORD).to_list()


@dataclass(frozen=True)
class DenyList:
    """Phrases of one or more whole words.

    Attributes
    ----------
    phrases
        By the market in which they count; `EVERYWHERE` for those that count in all.
    """

    phrases: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a phrase a line; lines after `[de]` count in the market `de` only, `#` begins a comment.

        A market may have no phrase of its own: it is named, so that it has verdicts of its own.

        Raises
        ------
        DataError
            If the file can't be read or holds no phrase; on a phrase without a letter or a digit, or that
            begins as a market does; on a market without a name.
        """
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as why:
            raise DataError(f"{file}: can't be read ({why}): give a file of phrases, one a line") from None
        phrases, market = dict[str, list[str]](), EVERYWHERE
        for number, line in enumerate(lines, 1):
            phrase = line.partition("#")[0].strip()
            if heading := _MARKET.fullmatch(phrase):
                market = heading[1]
                if not market:
                    raise DataError(
                        f"{file}, line {number}: {phrase!r} names no market: write phrases that count in all "
                        "above the first market"
                    )
                phrases.setdefault(market, [])
            elif phrase:
                if phrase.startswith("["):
                    raise DataError(f"{file}, line {number}: {phrase!r}: write [de] for a market, alone")
                if not words_of([phrase])[0]:
                    raise DataError(f"{file}, line {number}: {phrase!r} has no word in it: remove the line")
                phrases.setdefault(market, []).append(phrase)
        if not any(phrases.values()):
            raise DataError(f"{file}: holds no phrase: write one a line")
        return cls(phrases)

    def found(self, texts: Sequence[str]) -> list[dict[str, list[str]]]:
        """Find what texts say of it: phrases by market, shape (texts,).

        Examples
        --------
        >>> DenyList({"": ["miracle cure"], "de": ["CBD"]}).found(["A Miracle  cure with cbd", "cured"])
        [{'': ['miracle cure'], 'de': ['CBD']}, {}]
        """
        return [self._found(words) for words in words_of(texts)] if self.phrases else [{} for _ in texts]

    def _found(self, words: Sequence[str]) -> dict[str, list[str]]:
        said = {
            tuple(words[at : at + length])
            for length in self._lengths
            for at in range(len(words) - length + 1)
        }
        found = dict[str, list[str]]()
        for phrase in sorted(said & self._index.keys()):
            for market, written in self._index[phrase]:
                found.setdefault(market, []).append(written)
        return dict(sorted(found.items()))

    @cached_property
    def _index(self) -> dict[tuple[str, ...], list[tuple[str, str]]]:
        """Where each phrase counts, and how it is written, by its words."""
        index = dict[tuple[str, ...], list[tuple[str, str]]]()
        for market, phrases in self.phrases.items():
            for phrase, words in zip(phrases, words_of(phrases), strict=True):
                index.setdefault(tuple(words), []).append((market, phrase))
        return index

    @cached_property
    def _lengths(self) -> set[int]:
        return {len(words) for words in self._index}
