"""`Inbox`: a folder of `.jsonl` files that texts are appended to, for a monitor that follows it."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Final

from tailrank.errors import DataError
from tailrank.files import sync
from tailrank.folders import check_room
from tailrank.tasks.monitor.inputs import Place
from tailrank.tasks.monitor.settings import DAY

MOST_BYTES: Final = 64 << 20
"""Of a file, about; what comes then goes to another one, and so does what comes on another day."""

NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})-[0-9a-f]{16}\.jsonl")
"""Of its files: the day that they were written on, by UTC, and what is drawn."""


class Inbox:
    """Appends lines, each file by one process: its name is drawn, and it is never opened again.

    Parameters
    ----------
    folder
        Made if there is none.

    Raises
    ------
    DataError
        If it can't be made or written, or holds data or a model.
    """

    def __init__(self, folder: Path) -> None:
        check_room(folder, "texts of a monitor", DataError)
        self.folder = folder
        self._lock = threading.Lock()
        self._stream: FileIO | None = None
        self._day = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as why:
            raise DataError(f"{folder}: no folder can be made there ({why.strerror})") from None
        if not os.access(folder, os.W_OK):
            raise DataError(f"{folder}: can't be written: name another folder")

    def append(self, lines: Sequence[bytes], now: float) -> None:
        """Append lines; they are on the disk when this returns.

        Parameters
        ----------
        lines
            Without newlines.
        now
            In seconds since 1970; the day of the file's name, by UTC.

        Raises
        ------
        DataError
            If that fails. Some of the lines may be read nevertheless: sent again, their ids tell.
        """
        rest = memoryview(b"".join(line + b"\n" for line in lines))
        with self._lock:
            try:
                stream = self._current(f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}")
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
            except OSError as why:
                self._leave()  # half a line may be at its end, which nobody reads
                raise DataError(f"{self.folder}: can't be written ({why.strerror})") from None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._leave()

    def _current(self, day: str) -> FileIO:
        if self._stream is not None:
            is_gone = not os.fstat(self._stream.fileno()).st_nlink  # somebody removed it
            if is_gone or day != self._day or self._stream.tell() >= MOST_BYTES:
                self._leave()
        if self._stream is None:
            self._day = day
            self._stream = FileIO(self.folder / f"{day}-{secrets.token_hex(8)}.jsonl", "x")
            sync(self.folder)
        return self._stream

    def _leave(self) -> None:
        if self._stream is not None:
            with self._stream, suppress(OSError):
                if not self._stream.tell():  # on a full disk, each request would leave an empty one
                    Path(self._stream.name).unlink()
        self._stream = None


def delete_read(folder: Path, places: Mapping[str, Place], days: int, now: float) -> list[str]:
    """Delete files of an inbox that were read to their ends; returns their names.

    Parameters
    ----------
    folder
        Of the inbox. Files of other names stay.
    places
        How far each file was read, by name.
    days
        Those that were written on longer ago go.
    now
        In seconds since 1970.

    Raises
    ------
    DataError
        If one can't be deleted.
    """
    last = f"{datetime.fromtimestamp(now - days * DAY, UTC):%Y-%m-%d}"
    gone = []
    for name, place in places.items():
        match, file = NAME.fullmatch(name), folder / name
        if match and match[1] < last and file.is_file() and file.stat().st_size == place.bytes:
            try:
                file.unlink()
            except OSError as why:
                raise DataError(f"{file}: can't be deleted ({why.strerror}).") from None
            gone.append(name)
    return gone
