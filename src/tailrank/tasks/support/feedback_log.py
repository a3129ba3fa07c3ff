"""`FeedbackLog`: what became of answers, kept in a file of JSON Lines that outlives process and machine."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from tailrank.bounds import MAX_LONG_TEXT
from tailrank.errors import ModelError, RequestError
from tailrank.files import cut_half_a_line, sync
from tailrank.folders import check_room

FILE: Final = "feedback.jsonl"


class Feedback(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a question.

    Attributes
    ----------
    question
        As it was asked.
    verdict
        `accepted` or `rejected` is what was said of an entry; an `unanswered` question was handed over.
    intent
        Of the entry; empty for unanswered ones.
    time
        Seconds since 1970.
    """

    question: Annotated[str, Meta(min_length=1, max_length=MAX_LONG_TEXT)]
    verdict: Literal["accepted", "rejected", "unanswered"]
    intent: str = ""
    time: float = msgspec.field(default_factory=time.time)


_DECODER: Final = msgspec.json.Decoder(Feedback)


class Place(NamedTuple):
    """How far a log was read: whole lines, and their bytes."""

    lines: int = 0
    size: int = 0


def beside(desk: Path) -> Path:
    """Name the folder of the feedback on a desk: beside that of the desk, which is replaced as a whole."""
    here = desk.absolute()
    return here.with_name(f"{here.name}-feedback")


class FeedbackLog:
    """Appends to a file, which several processes may share on a local disk.

    Parameters
    ----------
    folder
        Of the log; made if it is missing.

    Raises
    ------
    ModelError
        If it is one of data, of a model or of a desk, which the next training would replace.
    """

    def __init__(self, folder: Path) -> None:
        check_room(folder, "feedback", ModelError, FILE)
        self.file = folder / FILE

    def append(self, entry: Feedback) -> None:
        """Add a line; it is on the disk when this returns.

        A process that was killed while it wrote may have left half a line, which goes first.

        Raises
        ------
        RequestError
            If it couldn't be read again, such as a question that is too long.
        ModelError
            If it can't be written.
        """
        line = msgspec.json.encode(entry) + b"\n"
        try:
            _DECODER.decode(line)
        except msgspec.ValidationError as why:
            raise RequestError(f"feedback: {why}") from None
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a+b", buffering=0) as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                cut_half_a_line(stream.fileno())
                if stream.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(stream.fileno())
                if stream.tell() == len(line):  # the file is new
                    sync(self.file.parent)
        except OSError as why:
            raise ModelError(f"{self.file}: can't be written ({why.strerror or why})") from None

    def read(self) -> Sequence[Feedback]:
        """Read every whole line, oldest first; none if there is no file.

        Raises
        ------
        ModelError
            Naming the first line that is something else.
        """
        return self.since(Place())[0]

    def since(self, place: Place) -> tuple[Sequence[Feedback], Place]:
        """Read the whole lines behind a place, and say how far that was; a shorter file is another one.

        Raises
        ------
        ModelError
            As `read` does.
        """
        try:
            with self.file.open("rb") as stream:
                place = place if os.fstat(stream.fileno()).st_size >= place.size else Place()
                stream.seek(place.size)
                content = stream.read()
        except FileNotFoundError:
            return [], Place()
        except OSError as why:
            raise ModelError(f"{self.file}: can't be read ({why.strerror or why})") from None
        found = []
        *lines, half = content.split(b"\n")
        for number, line in enumerate(lines, place.lines + 1):
            try:
                found.append(_DECODER.decode(line))
            except msgspec.DecodeError as why:
                raise ModelError(f"{self.file}, line {number}: {why}: fix or remove the line") from None
        return found, Place(place.lines + len(lines), place.size + len(content) - len(half))
