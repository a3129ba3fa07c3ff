"""Reads what tasks learn from: a table or, for several that are tuned together, a file that names theirs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from tailrank.errors import RequestError, first_line, naming
from tailrank.tasks.classifier import LabelledTexts
from tailrank.tasks.examples import ExampleColumns, Examples
from tailrank.tasks.kinds import Kind
from tailrank.tasks.labelling import check_counts, few_of_each, names_of, truth_of
from tailrank.tasks.registry import kind_named
from tailrank.tasks.task_folder import ENCODER

TRAIN: Final = "train"
"""Part that is learned from, if there is a column of parts."""

SEPARATORS: Final = ("|", ";", ",")
"""What mostly stands between labels that are written as one text."""

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]


class TaskTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of one of several tasks; the options of `tailrank task train` of the same names."""

    data: str
    text: str = "text"
    label: str = "label"
    split: str | None = None
    entity: str | None = None
    separator: str | None = None
    kind: str = "one"
    few_shot: Annotated[int, Meta(ge=2)] | None = None

    def read(self, beside: Path, seed: int) -> LabelledTexts:
        """Read the texts; their file is sought in the folder `beside`."""
        columns = ExampleColumns(self.text, self.label, self.split, self.entity, None, self.separator)
        found = read_training_part(beside / self.data, columns, self.kind, self.few_shot, seed)
        return LabelledTexts(found.texts, found.labels, self.kind, found.entities)


def read_task_list(file: Path, seed: int) -> dict[str, LabelledTexts]:
    """Read the texts of the tasks that a TOML file has a table for, by their names.

    Raises
    ------
    RequestError
        If the file can't be read, has fewer than two tables, or says what no task has, naming the table.
    DataError
        If a task's texts can't be read.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise RequestError(
            f"{file}: can't be read ({first_line(why)}): fix it, or name another file"
        ) from None
    if len(tables) < 2:
        raise RequestError(f"{file}: too few tables: write [NAME] and `data = FILE` for two tasks or more")
    return {name: _read(file, name, table, seed) for name, table in tables.items()}


def _read(file: Path, name: str, table: object, seed: int) -> LabelledTexts:
    known = _table(file, name, table)
    with naming(f"{file}: [{name}]"):
        return known.read(file.parent, seed)


def _table(file: Path, name: str, table: object) -> TaskTable:
    try:
        if msgspec.convert(name, Name) == ENCODER:
            raise RequestError(f"{file}: [{name}] is where the encoder goes: give the task another name")
        return msgspec.convert(table, TaskTable)
    except msgspec.ValidationError as why:
        known = ", ".join(TaskTable.__struct_fields__)
        raise RequestError(f"{file}: [{name}]: {why}; a task has {known}") from None


def read_training_part(
    data: Path, columns: ExampleColumns, kind: str, few_shot: int | None, seed: int
) -> Examples:
    """Read what a task learns from, by `few_shot` at most so many texts of each label.

    Raises
    ------
    DataError, RequestError
        If it can't be read, or doesn't suit the kind; naming the file and, if it is one row, the row.
    """
    examples, known = read_part(data, columns, TRAIN), kind_named(kind)
    names = names_of(examples.labels)
    with naming(data):  # before the encoder is loaded, which takes much longer
        truth = truth_of(examples.labels, names, known, examples.rows)
        _check_separator(examples, known)
        check_counts(truth, names, known)
        known.texts(examples.texts, examples.entities, known.templates[0])
    return examples if few_shot is None else examples.take(few_of_each(truth, few_shot, seed))


def _check_separator(examples: Examples, kind: Kind) -> None:
    """Refuse labels that seem to be several in one, if no text has more than one.

    Raises
    ------
    RequestError
        Naming the first row with such a label, and what seems to stand between its parts.
    """
    if kind.exclusive or any(len(labels) > 1 for labels in examples.labels):
        return
    numbers = range(1, len(examples) + 1) if examples.rows is None else examples.rows.tolist()
    for row, labels in zip(numbers, examples.labels, strict=True):
        mark = next((mark for mark in SEPARATORS if labels and mark in labels[0]), None)
        if mark is not None:
            raise RequestError(
                f"row {row} has the label {labels[0]!r}, and no text has more than one: if that is several, "
                f"give --separator {mark!r}; if it is one, write it without {mark!r}"
            )


def read_part(data: Path, columns: ExampleColumns, part: str) -> Examples:
    """Read examples: of one part, if there is a column of parts.

    Raises
    ------
    DataError
        If they can't be read, or there is no such part.
    """
    examples = Examples.read(data, columns)
    if columns.split is None:
        return examples
    with naming(data):
        return examples.part(part)
