"""Where lines come from: a folder of files that grows, or the standard input; each line with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from tailrank.errors import DataError
from tailrank.tasks.monitor.stream_texts import MAX_LINE

STDIN: Final = "-"
"""Name of the standard input."""

SUFFIXES: Final = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Place:
    """How far a file was read: bytes and lines."""

    bytes: int = 0
    lines: int = 0


@dataclass(frozen=True)
class Line:
    """A line, None if it is longer than `MAX_LINE`, and the place behind it."""

    file: str
    content: bytes | None
    end: Place


def folder_lines(folder: Path, places: Mapping[str, Place]) -> Iterator[Line]:
    """Read on in all files of a folder, by name; the last line of a file counts once it ends in a newline.

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
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give one of .jsonl files, or - for the standard input.")
    for file in sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES):
        place = places.get(file.name, Place())
        try:
            size = file.stat().st_size
            if size < place.bytes:
                raise DataError(
                    f"{file}: has {size:,} bytes, of which {place.bytes:,} were read. Files may only grow: "
                    "give what is new a name of its own."
                )
            if size > place.bytes:
                with file.open("rb") as stream:
                    stream.seek(place.bytes)
                    yield from stream_lines(stream, file.name, place)
        except OSError as why:
            raise DataError(f"{file}: can't be read ({why.strerror}).") from None


def stream_lines(stream: BinaryIO, name: str, place: Place, is_whole: bool = False) -> Iterator[Line]:
    """Read lines up to the end; blank ones are passed over.

    Parameters
    ----------
    stream, name, place
        What to read, its name, and how far it was read.
    is_whole
        Whether a last line without newline is one, as at the end of the standard input.
    """
    begun, skipping = b"", False
    while piece := stream.readline(MAX_LINE + 1):
        ends = piece.endswith(b"\n")
        begun = begun + piece if not skipping else begun
        place = Place(place.bytes + len(piece), place.lines)
        if not ends and len(begun) > MAX_LINE:
            skipping, begun = True, b""
        if ends:
            place = Place(place.bytes, place.lines + 1)
            too_long = skipping or len(begun) > MAX_LINE + 1
            if too_long or begun.strip():
                yield Line(name, None if too_long else begun, place)
            begun, skipping = b"", False
    if is_whole and (skipping or begun.strip()):
        yield Line(name, None if skipping else begun, Place(place.bytes, place.lines + 1))
