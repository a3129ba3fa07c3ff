"""What is said in the sounds and films that a column of items names, as one more text of the items."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import repeat
from typing import Final

import polars as pl

from tailrank.data.added_columns import with_added
from tailrank.language.kept_answers import KeptAnswers
from tailrank.language.media import NamedFile, naming_file
from tailrank.language.recordings import duration
from tailrank.language.speech import SpeechRecognizer
from tailrank.reporting import Progress, silent

TEXT: Final = "transcript"
BY, ON, FROM = f"{TEXT}_by", f"{TEXT}_on", f"{TEXT}_from"
"""Columns: what is said, the recogniser, the day, and the column that names the file."""

COLUMNS: Final[dict[str, pl.DataType]] = {
    TEXT: pl.String(),
    BY: pl.String(),
    ON: pl.Date(),
    FROM: pl.String(),
}
"""What is written, in this order, and of which types."""


@dataclass(frozen=True)
class Transcriber:
    """A recogniser of speech that listens once to each file, by its content.

    Attributes
    ----------
    recognizer
        Listens.
    kept
        What it wrote.
    seconds
        Of each file that it listens to, at most.
    language
        That is spoken; None means the one that it hears.
    """

    recognizer: SpeechRecognizer
    kept: KeptAnswers
    seconds: float
    language: str | None = None

    def seconds_left(self, files: Mapping[str, NamedFile], progress: Progress = silent) -> float:
        """Give the seconds of sound that it has yet to listen to.

        Raises
        ------
        DataError
            Naming a file that is no sound or film.
        """
        left = 0.0
        for done, (sha256, named) in enumerate(files.items(), 1):
            if self._key(sha256) not in self.kept:
                with naming_file(named):
                    left += min(duration(named.path), self.seconds)
            progress("looking at files", done, len(files))
        return left

    def transcripts(self, files: Mapping[str, NamedFile], progress: Progress = silent) -> dict[str, str]:
        """Write down what is said in files, by their sha256; empty if nothing is.

        Raises
        ------
        DataError
            Naming a file that can't be read; or if a text can't be kept.
        """
        found = dict[str, str]()
        for done, (sha256, named) in enumerate(files.items(), 1):
            hear = partial(self.recognizer.transcribe, named.path, self.seconds, self.language)
            with naming_file(named):
                found[sha256] = self.kept.answer(self._key(sha256), hear)
            progress("transcribing files", done, len(files))
        return found

    def _key(self, sha256: str) -> str:
        said = f"{self.recognizer.sha256}\0{self.seconds:g}\0{self.language or ''}\0{sha256}"
        return hashlib.sha256(said.encode()).hexdigest()


def lacking(items: pl.DataFrame, keys: Sequence[str]) -> list[str]:
    """Blank the keys of items that have a transcript, which stays: nobody has to listen to their files.

    Parameters
    ----------
    items
        One row an item.
    keys
        Of its file, one an item.
    """
    there = items[TEXT] if TEXT in items.columns else repeat(None, len(items))
    return ["" if text else key for text, key in zip(there, keys, strict=True)]


def with_transcripts(items: pl.DataFrame, texts: Sequence[str], recognizer: str, column: str) -> pl.DataFrame:
    """Put transcripts into columns of their own, and where they come from; those that are there stay.

    Parameters
    ----------
    items
        One row an item.
    texts
        What is said, empty if nothing is; one an item.
    recognizer
        Identity of what listened.
    column
        That named the files.
    """
    written = {TEXT: texts, BY: repeat(recognizer), ON: repeat(date.today()), FROM: repeat(column)}
    rows = {
        name: [value if text else None for value, text in zip(values, texts, strict=False)]
        for name, values in written.items()
    }
    return with_added(items, rows, COLUMNS)
