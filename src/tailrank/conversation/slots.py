"""What a turn names: items that are shown, values, columns, bounds of numbers, comparisons."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final, Literal, TypeAlias

from tailrank.conversation.numbers import Quantity, quantities
from tailrank.conversation.patterns import (
    COMPARED,
    CUES,
    DETERMINERS,
    FREE,
    FUNCTION_WORDS,
    LESS,
    MORE,
    RANKED,
    SPENDING,
    THAN,
    UNIT,
    names_a_rank,
    rank_of,
)
from tailrank.conversation.vocabulary import (
    CURLY,
    LONGEST_TITLE,
    LONGEST_VALUE,
    WORD,
    Value,
    Vocabulary,
    stem,
)

Kind: TypeAlias = Literal["item", "value", "column", "range", "lower", "higher", "number"]

MOST_NUMBERS: Final = 20
"""That are read in a turn: to find one takes time in proportion to its length."""

NO_VALUE: Final = Value("", "")


@dataclass(frozen=True)
class Slot:
    """Something that a turn names.

    Attributes
    ----------
    kind
        What it is.
    text
        The words.
    item
        An item's id; empty if there is no such item.
    value
        A value of a column.
    column
        The column that a bound, a comparison or a noun is about; empty if it can't be said.
    limits
        Of a range, by name.
    than
        Position of the slot that a comparison is with; None if it names none.
    """

    kind: Kind
    text: str
    item: str = ""
    value: Value = NO_VALUE
    column: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    than: int | None = None


class SlotFinder:
    """Finds what a turn names, and puts `{0}`, `{1}` … in its place.

    Parameters
    ----------
    vocabulary
        Of the catalogue.
    shown
        Item ids in the order that the user sees.
    """

    def __init__(self, vocabulary: Vocabulary, shown: Sequence[str]) -> None:
        self._words, self._shown = vocabulary, shown
        self.slots: list[Slot] = []

    def masked(self, text: str) -> str:
        """Give the text with numbered braces in place of what was found, which is added to `slots`."""
        text = re.sub(r"\s+", " ", text.replace("{", " ").replace("}", " ").replace(CURLY, "'")).strip()
        for step in (self._titles, self._ranked, self._numbers, self._free, self._compared, self._directed):
            text = step(text)
        return self._nouns(self._values(text))

    def restored(self, text: str) -> str:
        """Give a part of a masked text as it was said."""
        while "{" in text:
            text = re.sub(r"\{(\d+)\}", lambda match: self.slots[int(match[1])].text, text)
        return text

    def _put(self, slot: Slot) -> str:
        self.slots.append(slot)
        return f"{{{len(self.slots) - 1}}}"

    def _titles(self, text: str) -> str:
        def find(words: Sequence[re.Match[str]], at: int) -> tuple[int, Slot] | None:
            cued = at > 0 and words[at - 1][0].lower() in CUES
            for length in range(min(LONGEST_TITLE, len(words) - at), 0, -1):
                key = tuple(each[0].lower() for each in words[at : at + length])
                item = self._words.titles.get(key)
                if item is None or not (cued or _is_written_large(words, at, length)):
                    continue
                if length == 1 and (
                    len(key[0]) < 3 or key[0] in FUNCTION_WORDS or (stem(key[0]),) in self._words.values
                ):
                    continue
                return length, Slot("item", text[words[at].start() : words[at + length - 1].end()], item)
            return None

        return self._by_words(text, find)

    def _ranked(self, text: str) -> str:
        before: re.Match[str] | None = None

        def put(match: re.Match[str]) -> str:
            nonlocal before
            if not names_a_rank(match, before):
                return match[0]
            before = match
            rank = rank_of(match, len(self._shown))
            item = self._shown[rank - 1] if 0 < rank <= len(self._shown) else ""
            return self._put(Slot("item", match[0], item))

        return RANKED.sub(put, text)

    def _numbers(self, text: str) -> str:
        pieces, at = list[str](), 0
        for found in islice(quantities(text), MOST_NUMBERS):
            if "{" in text[max(0, found.start - 1) : found.start]:  # it is the number of a slot
                continue
            if not all(map(math.isfinite, found.limits.values())):  # more digits than a number can have
                continue
            column, end = self._column_of(found, text)
            limits = found.limits
            if column and column == self._words.roles.get("price") and not found.bounded:
                limits = {"most": limits["most"]}
            if not column and not found.bounded and not found.is_money:
                continue  # no more than a number among words
            kind: Kind = "range" if column else "number"
            slot = Slot(kind, text[found.start : end], column=column, limits=limits)
            pieces += [text[at : found.start], self._put(slot)]
            at = end
        return "".join([*pieces, text[at:]])

    def _free(self, text: str) -> str:
        """Find what is to cost nothing; where a value is called so, that is meant."""
        column = self._words.roles.get("price")
        if column is None or ("free",) in self._words.values:
            return text
        slot = partial(Slot, "range", column=column, limits={"most": 0.0})
        return FREE.sub(lambda match: match["before"] + self._put(slot(match["free"])), text)

    def _column_of(self, found: Quantity, text: str) -> tuple[str, int]:
        """Say which column a number is of, if any, and where the words for it end."""
        price, unit = self._words.roles.get("price", ""), UNIT.match(text, found.end)
        if found.is_money or unit:
            return price, unit.end() if unit else found.end
        if noun := self._noun_at(text, found.end):
            return noun[1], noun[0]
        if found.is_year and "year" in self._words.roles:
            return self._words.roles["year"], found.end
        return (price if found.bounded or SPENDING.search(text) else ""), found.end

    def _compared(self, text: str) -> str:
        for role, words in COMPARED.items():
            column = self._words.roles.get(role)
            kinds: tuple[Kind, Kind] = ("lower", "higher")
            if column is not None:
                for kind, pattern in zip(kinds, words, strict=True):
                    text = re.sub(
                        rf"\b(?:{pattern})\b{THAN}", self._comparing(kind, column), text, flags=re.I
                    )
        return text

    def _directed(self, text: str) -> str:
        """Find columns of numbers after `more`, `lower` and the like."""
        kinds: tuple[tuple[Kind, str], ...] = (("lower", LESS), ("higher", MORE))
        for nouns, column in self._words.numbers.items():
            noun = r"\s+".join(rf"{re.escape(word)}\w{{0,2}}" for word in nouns)
            for kind, pattern in kinds:
                put = self._comparing(kind, column)
                text = re.sub(rf"\b(?:{pattern})\s+{noun}\b{THAN}", put, text, flags=re.I)
        return text

    def _comparing(self, kind: Kind, column: str) -> Callable[[re.Match[str]], str]:
        def put(match: re.Match[str]) -> str:
            than = None if match["than"] is None else int(match["than"][1:-1])
            return self._put(Slot(kind, match[0], column=column, than=than))

        return put

    def _values(self, text: str) -> str:
        def find(words: Sequence[re.Match[str]], at: int) -> tuple[int, Slot] | None:
            for length in range(min(LONGEST_VALUE, len(words) - at), 0, -1):
                some = words[at : at + length]
                if "{" in text[some[0].start() - 1 : some[-1].end()]:
                    continue
                key = tuple(stem(each[0].lower()) for each in some)
                found = self._words.values.get(key)
                if found and not (length == 1 and some[0][0].lower() in FUNCTION_WORDS):
                    return length, Slot("value", text[some[0].start() : some[-1].end()], value=found[0])
            return None

        return self._by_words(text, find)

    def _nouns(self, text: str) -> str:
        for nouns, column in self._words.nouns.items():
            noun = r"\s+".join(rf"{re.escape(word)}\w{{0,2}}" for word in nouns)

            def put(match: re.Match[str], column: str = column) -> str:
                return f"{match[1]} {self._put(Slot('column', match[2], column=column))}"

            text = re.sub(rf"\b({DETERMINERS})\s+({noun})\b", put, text, flags=re.I)
        return text

    def _noun_at(self, text: str, at: int) -> tuple[int, str] | None:
        """Find the words for a column of numbers at a place; gives where they end, and the column."""
        words = [match for match in WORD.finditer(text, at) if match.start() <= at + 40][:3]
        for length in range(len(words), 0, -1):
            key = tuple(stem(each[0].lower()) for each in words[:length])
            if key in self._words.numbers and not text[at : words[0].start()].strip():
                return words[length - 1].end(), self._words.numbers[key]
        return None

    def _by_words(
        self, text: str, find: Callable[[Sequence[re.Match[str]], int], tuple[int, Slot] | None]
    ) -> str:
        return "".join(self._pieces(text, find))

    def _pieces(
        self, text: str, find: Callable[[Sequence[re.Match[str]], int], tuple[int, Slot] | None]
    ) -> Iterator[str]:
        words, at, end = list(WORD.finditer(text)), 0, 0
        while at < len(words):
            found = find(words, at)
            if found is None:
                at += 1
                continue
            length, slot = found
            yield text[end : words[at].start()]
            yield self._put(slot)
            end = words[at + length - 1].end()
            at += length
        yield text[end:]


def _is_written_large(words: Sequence[re.Match[str]], at: int, length: int) -> bool:
    """Whether words look like a title: large letters, and not only because a sentence begins."""
    some = [each[0] for each in words[at : at + length]]
    large = [word[0].isupper() or word[0].isdigit() for word in some]
    return large[0] and large[-1] and (length > 1 or at > 0)
