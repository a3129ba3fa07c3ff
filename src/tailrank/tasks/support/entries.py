"""What a support desk knows: entries of a FAQ, or questions that were answered before, from a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import polars as pl
from msgspec import Struct

from tailrank.data.formats import read_file
from tailrank.errors import DataError, instead_of

COLUMNS: Final = ("intent", "id", "question", "answers", "answer", "rephrasings")
"""Those that a table of entries may have: `id` names entries where there is no `intent`."""

ASKED: Final = ("question", "intent")
"""Columns of a table of questions whose right entry is known."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A known question.

    Attributes
    ----------
    intent
        Its name; no other entry has it.
    question
        As it is shown.
    answers
        At least one, the best first.
    rephrasings
        Other ways in which the same was asked.
    """

    intent: str
    question: str
    answers: tuple[str, ...]
    rephrasings: tuple[str, ...] = ()

    @property
    def phrasings(self) -> tuple[str, ...]:
        """The question and its rephrasings."""
        return self.question, *self.rephrasings


class AskedQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """A question that was asked, and the intent that answers it; empty if none does."""

    question: str
    intent: str


def read_entries(file: Path) -> tuple[Entry, ...]:
    """Read entries from a table in Parquet, CSV or JSON Lines.

    Rows of one `intent`, or without intents of one `id`, or without either of the same answers, are one
    entry: the first of their questions names it, the others are its rephrasings. So past pairs of question
    and answer can be given as they are.

    Parameters
    ----------
    file
        Has `question`, `answer` or `answers` and, if there are any, `rephrasings`, `intent` or `id`. In CSV,
        each line of a field of `answers` or `rephrasings` is one of them.

    Raises
    ------
    DataError
        Naming the column that is missing or unknown, or the row whose question or answer is.
    """
    table = _read(file, COLUMNS)
    given = [name for name in ("answers", "answer") if name in table.columns]
    if "question" not in table.columns or len(given) != 1:
        has = ", ".join(table.columns)
        raise DataError(f"{file}: give the column `question`, and either `answer` or `answers`; it has {has}")
    name = next((name for name in ("intent", "id") if name in table.columns), None)
    groups: dict[str | tuple[str, ...], tuple[dict[str, None], dict[str, None]]] = {}
    for number, row in enumerate(table.iter_rows(named=True), 1):
        place = f"{file}, row {number}"
        question, answers = _text(row, "question", place), _texts(row, given[0], place)
        if not answers:
            raise DataError(f"{place}: `{given[0]}` is empty: write an answer, or leave the row out")
        asked, answered = groups.setdefault(answers if name is None else _text(row, name, place), ({}, {}))
        rephrased = _texts(row, "rephrasings", place) if "rephrasings" in row else ()
        asked.update(dict.fromkeys([question, *rephrased]))
        answered.update(dict.fromkeys(answers))
    return checked_entries((_entry(key, *texts) for key, texts in groups.items()), str(file))


def _entry(key: str | tuple[str, ...], asked: Iterable[str], answered: Iterable[str]) -> Entry:
    """Make an entry of what has one name, or else one answer."""
    question, *rephrasings = asked
    return Entry(key if isinstance(key, str) else question, question, tuple(answered), tuple(rephrasings))


def checked_entries(entries: Iterable[Entry], place: str = "entries") -> tuple[Entry, ...]:
    """Check that there are at least two entries, each with a name of its own.

    Raises
    ------
    DataError
        If not.
    """
    found, seen = tuple(entries), set[str]()
    if len(found) < 2:
        raise DataError(f"{place}: fewer than two entries: a desk needs two to choose from")
    for entry in found:
        if entry.intent in seen:
            raise DataError(f"{place}: two entries have the intent {entry.intent!r}: give each its own")
        seen.add(entry.intent)
    return found


def read_asked(file: Path, entries: Iterable[Entry]) -> tuple[AskedQuestion, ...]:
    """Read questions that were asked, with the intent of the entry that answers each, empty if none does.

    Raises
    ------
    DataError
        Naming the column that is missing or unknown, or the row that names an unknown intent.
    """
    table, known = _read(file, ASKED), {entry.intent for entry in entries}
    for name in ASKED:
        if name not in table.columns:
            raise DataError(f"{file}: lacks the column `{name}`; it has {', '.join(table.columns)}")
    found = []
    for number, row in enumerate(table.iter_rows(named=True), 1):
        place, intent = f"{file}, row {number}", str(row["intent"] if row["intent"] is not None else "")
        if intent and intent not in known:
            raise DataError(f"{place}: no entry has the intent {intent!r}: leave it empty if none answers")
        found.append(AskedQuestion(_text(row, "question", place), intent))
    return tuple(found)


def _read(file: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    if not file.is_file():
        raise DataError(f"{file}: no such file: give a table whose columns are among {', '.join(columns)}")
    table, _ = read_file(file, None, set(columns))
    known = {name: name for name in columns}
    for name in table.columns:
        if name not in known:
            raise DataError(
                f"{file}: unknown column `{name}`: leave it out, or rename it; {instead_of(name, known)}"
            )
    return table


def _text(row: dict[str, Any], name: str, place: str) -> str:
    value = row[name]
    if isinstance(value, list | dict):
        raise DataError(f"{place}: `{name}` holds {value!r}: write a text")
    found = "" if value is None else str(value).strip()
    if not found:
        raise DataError(f"{place}: `{name}` is empty: write it, or leave the row out")
    return found


def _texts(row: dict[str, Any], name: str, place: str) -> tuple[str, ...]:
    """Take a list of texts, or a text: `answer` is one, of the others each line is."""
    value = row[name] or ()
    if isinstance(value, str):
        value = [value] if name == "answer" else value.splitlines()
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise DataError(f"{place}: `{name}` holds {value!r}: write texts")
    return tuple(dict.fromkeys(each.strip() for each in value if each.strip()))
