"""`LogReader`: follows a log of impressions as it grows, from where it was left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

from tailrank.feedback.records import Record, all_segments, read_blocks
from tailrank.feedback.segments import is_closed
from tailrank.files import written_file

ID: Final = "id"
READ: Final = "read.json"
"""Below the folder of the log: its name, and the segments that its reader needs no more."""

BYTES_AT_ONCE: Final = 1 << 23
"""What is read of a segment before others have their turn."""


class Part(NamedTuple):
    """Records of one segment that follow one another."""

    segment: str
    records: list[Record]


def log_id(folder: Path) -> str:
    """Name a log, so that other machines can tell it from theirs; made up once."""
    file = folder / ID
    if not file.exists():
        with written_file(file) as new:
            new.write_text(secrets.token_hex(8))
    return file.read_text()


def segments_read(folder: Path) -> frozenset[str]:
    """Name the segments that the reader of a log needs no more."""
    try:
        return frozenset(map(str, json.loads((folder / READ).read_bytes())))
    except (OSError, ValueError, TypeError):  # missing or damaged: the reader writes it anew
        return frozenset()


class LogReader:
    """Reads each record of a log once: segment by segment, each in its order.

    There is one reader a log. Segments are rolled over once it has said that it needs them no more, if the
    server knows of it.

    Parameters
    ----------
    folder
        Of the log.
    position
        Bytes read of each segment, by its name.

    Attributes
    ----------
    position
        The same by now.
    is_behind
        Whether there was more than is read at once.
    trouble
        What couldn't be read, and why.
    """

    def __init__(self, folder: Path, position: Mapping[str, int] | None = None) -> None:
        self.folder, self.position = folder, dict(position or {})
        self.is_behind, self.trouble = False, list[str]()
        self._ended, self._released = set[str](), segments_read(folder)

    def parts_before(self) -> Iterator[Part]:
        """Give what was read up to the position, as far as it is there, the latest segment first."""
        for file in reversed(all_segments(self.folder)):
            until, records = self.position.get(file.name, 0), list[Record]()
            with suppress(FileNotFoundError):  # removed just now
                for _, found in takewhile(lambda block: block[0] <= until, read_blocks(file)):  # noqa: B023
                    records += found or ()
            yield Part(file.name, records)

    def read(self) -> list[Part]:
        """Read what was appended since, `BYTES_AT_ONCE` of each segment and a block more at most."""
        files = {file.name: file for file in all_segments(self.folder)}
        for gone in self.position.keys() - files:
            if gone not in self._ended | self._released:
                self.trouble.append(f"{gone} was removed from the log before all of it was read")
            del self.position[gone]
        self.is_behind = False
        return [part for name, file in files.items() if name not in self._ended and (part := self._on(file))]

    def release(self, needed: Collection[str]) -> None:
        """Let those segments be rolled over that were read to their end, but for some."""
        released = frozenset(self.position.keys() & self._ended - set(needed))
        if released != self._released:
            try:
                with written_file(self.folder / READ) as new:
                    new.write_text(json.dumps(sorted(released)))
            except OSError as why:
                self.trouble.append(f"segments can't be released for the roll-over ({why.strerror})")
            else:
                self._released = released

    def _on(self, file: Path) -> Part | None:
        """Read on in a segment; None if there is nothing new."""
        start = self.position.setdefault(file.name, 0)
        records, end = list[Record](), start
        try:
            closed = is_closed(file)  # before the end is looked for, or more may come after that
            for end, found in read_blocks(file, start):
                if found is None:
                    self.trouble.append(f"{file.name}: passed over a damaged block up to byte {end}")
                records += found or ()
                if end - start > BYTES_AT_ONCE:
                    self.is_behind = True
                    break
            else:
                if closed:
                    self._ended.add(file.name)
        except FileNotFoundError:  # removed just now
            return None
        self.position[file.name] = end
        return Part(file.name, records) if records else None
