"""Where lines come from: a folder of files that grows, or the standard input; each line with its place."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final

from tailrank.errors import DataError
from tailrank.tasks.monitor.stream_texts import MAX_LINE, written_at

STDIN: Final = "-"
"""Name of the standard input."""

SUFFIXES: Final = (".jsonl", ".ndjson")

TOO_LONG: Final = f"is longer than {MAX_LINE:,} bytes: shorten it"

AHEAD: Final = 3
"""Lines of a file that are looked at to tell whose turn it is: one clock that is wrong doesn't tell."""

AT_ONCE: Final = 16
"""Lines of a file that are read while it is open: a folder may have more files than a process may open."""

CHUNK: Final = 1 << 16
"""Bytes that are taken from a stream at once, at most: what a pipe holds."""


@dataclass(frozen=True, order=True)
class Place:
    """How far a file was read: bytes and lines. Its text names the line before it."""

    bytes: int = 0
    lines: int = 0

    def __str__(self) -> str:
        return f"line {self.lines}"


@dataclass(frozen=True)
class Line:
    """A line of a file or a stream, the place behind it, and why it can't be read, if that is known."""

    file: str
    content: bytes
    end: Place
    fault: str = ""


def folder_lines(folder: Path, places: Mapping[str, Place]) -> Iterator[Line]:
    """Read on in all files of a folder, by the times of lines; a last line counts once it has its newline.

    A monitor that was away would take a file for late if it had read another one of the same days before.

    Parameters
    ----------
    folder
        Of `.jsonl` or `.ndjson` files, which may grow and become more, but not shrink.
    places
        How far each was read, by name.

    Raises
    ------
    DataError
        If there is no such folder, a file can't be read, or it is shorter than what was read of it.
    """
    check_folder(folder)
    files = sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES)
    timed = [_timed(_file_lines(each, places.get(each.name, Place()))) for each in files]
    yield from map(itemgetter(1), merge(*timed, key=itemgetter(0)))


def check_folder(folder: Path) -> None:
    """Raise a DataError if there is no such folder."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}. Give a folder of .jsonl files, or - for the standard input.")


def _file_lines(file: Path, place: Place) -> Iterator[Line]:
    """Read on in a file, which is open for some lines at a time."""
    try:
        size = file.stat().st_size
        if size < place.bytes:
            raise DataError(
                f"{file}: has {size:,} bytes, of which {place.bytes:,} were read. Files may only grow: "
                "give what is new a name of its own."
            )
        while size > place.bytes:
            with file.open("rb") as stream:
                stream.seek(place.bytes)
                lines = list(islice(stream_lines(stream, file.name, place), AT_ONCE))
            if not lines:
                return
            yield from lines
            place = lines[-1].end
    except OSError as why:
        raise DataError(f"{file}: can't be read ({why.strerror}).") from None


def _timed(lines: Iterable[Line]) -> Iterator[tuple[float, Line]]:
    """Give lines, each with the middle one of the times of it and those behind it."""
    rest, time = iter(lines), 0.0
    ahead = deque[tuple[float, Line]]()
    while True:
        for line in islice(rest, AHEAD - len(ahead)):
            time = written_at(line.content, time)
            ahead.append((time, line))
        if not ahead:
            return
        times = sorted(at for at, _ in ahead)
        yield times[(len(times) - 1) // 2], ahead.popleft()[1]


def stream_lines(stream: BinaryIO, name: str, place: Place) -> Iterator[Line]:
    """Read lines up to the end, without a last one that doesn't end in a newline; blank ones are passed over.

    Parameters
    ----------
    stream, name, place
        What to read, its name, and how far it was read.
    """
    splitter = _Splitter(name, place)
    while piece := stream.readline(MAX_LINE + 1):
        yield from splitter.add(piece)


def arriving_lines(stream: io.BufferedIOBase, name: str) -> Iterator[list[Line]]:
    """Read lines as they come, without waiting for more; a last one without newline counts at the end.

    Parameters
    ----------
    stream, name
        What to read, such as the standard input, and its name.
    """
    splitter = _Splitter(name, Place())
    while chunk := stream.read1(CHUNK):
        if lines := [line for piece in io.BytesIO(chunk) for line in splitter.add(piece)]:
            yield lines
    if rest := list(splitter.add(b"\n")):
        yield rest


@dataclass
class _Splitter:
    """Puts pieces, of which only the end may be a newline, together to lines."""

    file: str
    place: Place
    begun: bytes = b""
    is_skipping: bool = False

    def add(self, piece: bytes) -> Iterator[Line]:
        """Give the line that a piece ends, if it does and the line isn't blank."""
        ends = piece.endswith(b"\n")
        self.place = Place(self.place.bytes + len(piece), self.place.lines + ends)
        begun = b"" if self.is_skipping else self.begun + piece
        too_long = self.is_skipping or len(begun) > MAX_LINE + ends
        if ends and (too_long or begun.strip()):
            yield (
                Line(self.file, b"", self.place, TOO_LONG) if too_long else Line(self.file, begun, self.place)
            )
        self.begun, self.is_skipping = (b"", False) if ends else (b"" if too_long else begun, too_long)
