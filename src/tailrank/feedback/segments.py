"""Segments: files that the records of one process are appended to until they are rolled over."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tailrank.feedback.records import MAGIC, SEGMENTS, SUFFIX, all_segments, block
from tailrank.files import sync

HOUR: Final = "%Y%m%dT%H"
HOUR_LENGTH: Final = len("20260101T00")
"""Of the names of files, how an hour is written, in UTC, and how many characters that takes."""

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def hour_of(seconds: float) -> str:
    """Name the hour of a time, in UTC: the names of files begin with it, so they sort by it.

    Examples
    --------
    >>> hour_of(1_764_072_000.0)
    '20251125T12'
    """
    return time.strftime(HOUR, time.gmtime(seconds))


class Segment:
    """A file to append to; it is locked as long as it is open, so that nobody rolls it over.

    Parameters
    ----------
    folder
        Of the log.

    Raises
    ------
    OSError
        If it can't be made.
    """

    def __init__(self, folder: Path) -> None:
        self.size = len(MAGIC)
        seconds, rest = divmod(time.time_ns(), 10**9)  # so that a process's segments sort as they were made
        moment = time.strftime(f"{HOUR}%M%S", time.gmtime(seconds))
        name = f"{moment}{rest:09}-{secrets.token_hex(4)}{SUFFIX}"
        segments = folder / SEGMENTS
        segments.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden = segments / f".{name}"  # until it is locked
        self._descriptor = os.open(hidden, _FLAGS, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _write(self._descriptor, MAGIC)
            hidden.replace(segments / name)
            sync(segments)
        except OSError:
            hidden.unlink(missing_ok=True)
            os.close(self._descriptor)
            raise

    @property
    def is_removed(self) -> bool:
        """Whether somebody removed the file, so that what is appended would be lost."""
        return os.fstat(self._descriptor).st_nlink == 0

    def append(self, records: Sequence[bytes]) -> None:
        """Append encoded records; they are on the disk when this returns.

        Raises
        ------
        OSError
            If that fails; then nothing is appended.
        """
        found = block(records)
        try:
            _write(self._descriptor, found)
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(found)

    def close(self) -> None:
        """Let it be rolled over."""
        os.close(self._descriptor)


class HourlySegments:
    """Appends to a log now and then, to a segment an hour.

    Parameters
    ----------
    folder
        Of the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._hour = folder, ""
        self._segment: Segment | None = None

    def append(self, records: Sequence[bytes]) -> None:
        """Append encoded records, if there are any; let the segment of an earlier hour be rolled over.

        Raises
        ------
        OSError
            As `Segment` does.
        """
        hour = hour_of(time.time())
        if self._segment is not None and (hour != self._hour or self._segment.is_removed):
            self._segment.close()
            self._segment = None
        if records:
            self._segment, self._hour = self._segment or Segment(self._folder), hour
            self._segment.append(records)


def closed_segments(folder: Path) -> list[Path]:
    """List the segments that no process appends to, the earliest first."""
    return [file for file in all_segments(folder) if is_closed(file)]


def is_closed(file: Path) -> bool:
    """Whether no process appends to a segment any more."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
