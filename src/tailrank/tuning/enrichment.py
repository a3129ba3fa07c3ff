"""What a generative model writes of items with poor texts: checked, and kept apart from what is given."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from tailrank.data.added_columns import with_added
from tailrank.language.generative import GenerativeModel
from tailrank.language.kept_answers import KeptAnswers
from tailrank.tuning.grounding import Grounds, words_of

TOKENS: Final = 90
LONGEST: Final = 600
"""Characters of an item's fields that the model reads."""

PROMPT: Final = """Describe an item of a shop, by what is written of it alone. Add no fact.

Item: Alpine 2 tent, two persons, green, 1.9 kg
Attributes: two persons, green, 1.9 kg
Description: A green tent for two persons.
Audiences: campers, hikers
Uses: camping, hiking

Item: {fields}
Attributes:"""

FIELDS: Final = ("attributes", "description", "audiences", "uses")
LIKELY: Final = frozenset({"audiences", "uses"})
"""What need not be a fact."""

PREFIX: Final = "enriched_"
BY, ON, READ = f"{PREFIX}by", f"{PREFIX}on", f"{PREFIX}from"
"""Columns: which model wrote, on which day, and which columns it read."""

COLUMNS: Final[dict[str, pl.DataType]] = {
    **{PREFIX + name: pl.String() if name == "description" else pl.List(pl.String) for name in FIELDS},
    BY: pl.String(),
    ON: pl.Date(),
    READ: pl.List(pl.String),
}
"""What is written, in this order, and of which types."""

_LABEL: Final = re.compile(rf"^\W*({'|'.join(FIELDS)})\W*:", re.IGNORECASE | re.MULTILINE)
_PARTS: Final = {"description": re.compile(r"(?<=[.!?])\s+|\n"), None: re.compile(r"[,;\n]")}


class Statement(NamedTuple):
    """What is said of an item, in which field, and the word that lacks a ground; None if none does."""

    name: str
    text: str
    ungrounded: str | None


def statements(answer: str, item: int, grounds: Grounds) -> list[Statement]:
    r"""Take an answer apart, and check each statement; what says nothing, or is said twice, is left out.

    Parameters
    ----------
    answer
        Of a model, to `PROMPT`.
    item
        Row of the item in `grounds`.
    grounds
        The words of the catalogue.

    Examples
    --------
    >>> grounds = Grounds.from_texts(["Green tent"])
    >>> for each in statements("green, light\nDescription: A green tent.", 0, grounds):
    ...     print(*each)
    attributes green None
    attributes light light
    description A green tent. None
    """
    found, seen = list[Statement](), set[tuple[str, ...]]()
    _, *parts = _LABEL.split(f"Attributes: {answer}")
    for name, text in zip(map(str.lower, parts[::2]), parts[1::2], strict=True):
        for piece in _PARTS.get(name, _PARTS[None]).split(text):
            said = piece.strip(" \t\n-*")
            key = (name, *words_of(said))
            if len(key) > 1 and key not in seen:
                seen.add(key)
                found.append(Statement(name, said, grounds.ungrounded(item, said, name in LIKELY)))
    return found


@dataclass(frozen=True)
class Writer:
    """A generative model whose answers are kept by what was asked.

    Attributes
    ----------
    model
        Writes.
    kept
        Its answers.
    """

    model: GenerativeModel
    kept: KeptAnswers

    def has(self, fields: str) -> bool:
        """Whether the answer for an item of these fields is kept."""
        return self._key(fields) in self.kept

    def write(self, fields: str) -> str:
        """Have an item described, unless one of the same fields was.

        Raises
        ------
        EncoderError
            If the model fails or can't be reached.
        DataError
            If the answer can't be kept.
        """
        prompt = PROMPT.format(fields=_cut(fields))
        return self.kept.answer(
            self._key(fields), lambda: self.model.complete(prompt, TOKENS, ["\n\n", "\nItem:"])
        )

    def _key(self, fields: str) -> str:
        return hashlib.sha256(f"{self.model.identity}\0{PROMPT}\0{_cut(fields)}".encode()).hexdigest()


def _cut(fields: str) -> str:
    """Put an item's fields on one line, so that they can't look like more of the instruction."""
    return " ".join(fields.split())[:LONGEST]


def described(
    texts: Mapping[int, str], writer: Writer, grounds: Grounds
) -> Iterator[tuple[int, list[Statement]]]:
    """Have items described one by one; gives each with its statements, those without ground included."""
    for item, text in texts.items():
        yield item, statements(writer.write(text), item, grounds)


def with_enrichment(
    items: pl.DataFrame, found: Mapping[int, Sequence[Statement]], model: str, fields: Sequence[str]
) -> pl.DataFrame:
    """Put what is grounded into columns of its own, and where it comes from; what is there stays.

    Parameters
    ----------
    items
        One row an item.
    found
        Statements by row.
    model
        Identity of the model that wrote them.
    fields
        Columns that it read.

    Returns
    -------
    pl.DataFrame
        With lists of text `enriched_attributes`, `enriched_audiences`, `enriched_uses`, the text
        `enriched_description`, and `enriched_by`, `enriched_on`, `enriched_from`. Null for all other items.
    """
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for item in range(len(items)):
        kept = [one for one in found.get(item, ()) if one.ungrounded is None]
        for name in FIELDS:
            said = [one.text for one in kept if one.name == name]
            rows[PREFIX + name].append((" ".join(said) if name == "description" else said) if said else None)
        for name, value in ((BY, model), (ON, date.today()), (READ, list(fields))):
            rows[name].append(value if kept else None)
    return with_added(items, rows, COLUMNS)
