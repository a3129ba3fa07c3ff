"""Explanations in other words, which a generative model wrote beforehand: looked up, not waited for.

A model is given sentences without titles, `[A]` and `[B]` in their place. So it can't change a title, obey
what stands in one, or learn what a user chose; and as sentences without titles recur, a few hundred serve all
rankings. What doesn't say the same (`paraphrase.departure`) isn't used: the template's sentence stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

from tailrank.errors import ModelError, RequestError, first_line
from tailrank.files import written_file
from tailrank.language.generative import GenerativeModel
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.paraphrase import departure
from tailrank.ranking.reasons import because, why_above

FORMAT: Final = 1
TOKENS: Final = 80
NOT_IN_THE_BOOK: Final = "it isn't in the phrasebook"
SAME_WORDS: Final = "it is the template's sentence"

PROMPT: Final = """Say the sentence in other words. Keep [A], [B], [C] and the meaning, and add nothing.

Sentence: because users of “[A]” choose it too, and it is chosen soon after “[B]”
Answer: Users who chose “[A]” also chose it, and it is picked shortly after “[B]”.

Sentence: “[A]” is above “[B]” because it was chosen more often lately, but it reads less like “[C]”
Answer: “[A]” is ranked above “[B]” because it was picked more frequently recently, although it reads \
less like “[C]”.

Sentence: {sentence}
Answer:"""
"""The examples show how; their words are among those that `departure` takes for the same."""

_NUMBER: Final = re.compile(r"\[\d+\]")
_PLACEHOLDER: Final = re.compile(r"\[[A-Z]\]")
_QUOTES: Final = re.compile('["“”]')
_LEAD_IN: Final = re.compile(r"^(?:the |an )?(?:sentence|answer)[\w ]*:", re.IGNORECASE)

Write: TypeAlias = Callable[[Mapping[str, str]], str]
"""Writes a sentence, given the titles of items by id."""


class Said(NamedTuple):
    """A sentence, and why it is the template's; None if it is in other words."""

    sentence: str
    why_not: str | None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model made of a sentence: in other words, or why those aren't used."""

    answer: str
    why_not: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phrasebook as it is stored."""

    format: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)]
    model: str
    written: str
    sentences: dict[str, Entry]


class _Numbers(Mapping[str, str]):
    """Titles that are numbers in brackets, given out in the order in which they are asked for."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def __getitem__(self, item: str) -> str:
        return self.given.setdefault(item, f"[{len(self.given)}]")

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def _untitled(write: Write) -> tuple[str, dict[str, str]]:
    """Write a sentence with `[A]`, `[B]`, … in the order in which titles stand; gives their items, too.

    Sentences ask for titles that they don't use, so numbers alone would make two of one.
    """
    numbers = _Numbers()
    sentence = write(numbers)
    letters = {
        number: f"[{letter}]"
        for letter, number in zip(ascii_uppercase, dict.fromkeys(_NUMBER.findall(sentence)), strict=False)
    }
    items = {letters[number]: item for item, number in numbers.given.items() if number in letters}
    return _NUMBER.sub(lambda found: letters[found.group()], sentence), items


@dataclass(frozen=True)
class Phrasebook:
    """Sentences without titles, and what a model made of them.

    Attributes
    ----------
    model
        Identity of the generative model.
    entries
        By the sentence, `[A]`, `[B]`, … in place of titles.
    written
        Day of the latest entry, as ISO 8601 has it.
    """

    model: str
    entries: dict[str, Entry] = field(default_factory=dict)
    written: str = ""

    @classmethod
    def load(cls, file: Path) -> Phrasebook:
        """Read a phrasebook, and check each answer anew.

        Raises
        ------
        ModelError
            If it can't be read, or an answer doesn't say the same as its sentence.
        """
        try:
            found = msgspec.json.decode(file.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as why:
            raise ModelError(
                f"{file}: no phrasebook can be read ({first_line(why)}): write one with `tailrank rephrase`"
            ) from None
        for sentence, entry in found.sentences.items():
            if entry.why_not is None and (departs := _why_not(sentence, entry.answer)) is not None:
                raise ModelError(
                    f"{file}: the answer to {sentence!r} can't be used, as {departs}: remove the entry, and "
                    "write it anew with `tailrank rephrase`"
                )
        return cls(found.model, found.sentences, found.written)

    def save(self, file: Path) -> None:
        """Write the phrasebook; one that is there is replaced as a whole.

        Raises
        ------
        ModelError
            If it can't be written.
        """
        stored = msgspec.json.encode(_File(FORMAT, self.model, self.written, self.entries))
        try:
            with written_file(file) as new:
                new.write_bytes(msgspec.json.format(stored, indent=1))
        except OSError as why:
            raise ModelError(f"{file}: can't be written ({first_line(why)}): name another file") from None

    def say(self, write: Write, titles: Mapping[str, str]) -> Said:
        """Say a sentence in the model's words if those are known and say the same, else in the template's.

        Parameters
        ----------
        write
            Writes the template's sentence, such as ``lambda titles: because(explanation, titles)``.
        titles
            Of items, by id.
        """
        sentence, items = _untitled(write)
        entry = self.entries.get(sentence)
        if entry is None or entry.why_not is not None:
            return Said(write(titles), NOT_IN_THE_BOOK if entry is None else entry.why_not)
        names = {letter: titles.get(item, item) for letter, item in items.items()}
        return Said(_PLACEHOLDER.sub(lambda found: names[found.group()], entry.answer), None)

    def extended(self, sentences: Iterable[str], model: GenerativeModel) -> Iterator[Phrasebook]:
        """Have sentences rephrased that the book lacks; gives the book with one more after each.

        Parameters
        ----------
        sentences
            Without titles, as `sentences_of` gives them.
        model
            The one that wrote what is there.

        Raises
        ------
        RequestError
            If another model wrote what is there.
        EncoderError
            If the model fails or can't be reached.
        """
        if model.identity != self.model:
            raise RequestError(f"{self.model} wrote the phrasebook, not {model.identity}: name another file")
        book = self
        for sentence in sentences:
            if sentence not in book.entries:
                answer = _tidied(model.complete(PROMPT.format(sentence=sentence), TOKENS, ["\n"]))
                entry = Entry(answer, _why_not(sentence, answer))
                entries = {**book.entries, sentence: entry}
                book = Phrasebook(self.model, entries, date.today().isoformat())
                yield book


def said(book: Phrasebook | None, write: Write, titles: Mapping[str, str]) -> str:
    """Say a sentence as `Phrasebook.say` does; without a book, in the template's words."""
    return write(titles) if book is None else book.say(write, titles).sentence


def writers_of(found: Iterable[Explanation]) -> Iterator[Write]:
    """Give what writes the sentences of items that follow each other."""
    listed = list(found)
    for one in listed:
        yield partial(because, one)
    for one, following in pairwise(listed):
        if one.score >= following.score:
            yield partial(why_above, Contrast(one, following))


def sentences_of(found: Iterable[Explanation]) -> Iterator[str]:
    """Write the sentences of items that follow each other without titles, as a phrasebook has them."""
    return (_untitled(write)[0] for write in writers_of(found))


def _tidied(answer: str) -> str:
    """Take off what models put before an answer, and put quotes around titles only."""
    plain = _LEAD_IN.sub("", _QUOTES.sub("", answer).strip()).strip()
    return _PLACEHOLDER.sub(lambda found: f"“{found.group()}”", plain)


def _why_not(sentence: str, answer: str) -> str | None:
    """Say why an answer isn't used; None if it is."""
    same = [re.findall(r"\w+", text.lower()) for text in (sentence, answer)]
    return SAME_WORDS if same[0] == same[1] else departure(sentence, answer)
