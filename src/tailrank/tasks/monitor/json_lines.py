"""`JsonLines`: a file of records, one a line, that is read while another process appends to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from tailrank.errors import DataError, first_line
from tailrank.files import cut_half_a_line, exclusive, sync

Record = TypeVar("Record", bound=msgspec.Struct)

PATIENCE: Final = 10.0
"""Seconds that a writer waits for another one."""


class JsonLines(Generic[Record]):
    """An append-only file of JSON Lines; half a line at its end, as a killed writer leaves, is none.

    Parameters
    ----------
    file
        Made by the first `append`.
    kind
        Of the records.

    Raises
    ------
    DataError
        If it can't be read or written, or a line isn't such a record; so do all methods.
    """

    def __init__(self, file: Path, kind: type[Record]) -> None:
        self.file, self._kind = file, kind

    def __iter__(self) -> Iterator[Record]:
        """Give all records, the oldest first."""
        if not self.file.exists():
            return
        with self._disk_errors():
            lines = self.file.read_bytes().split(b"\n")[:-1]
        for number, line in enumerate(lines, start=1):
            try:
                yield msgspec.json.decode(line, type=self._kind)
            except msgspec.DecodeError as why:
                what = self._kind.__name__.lower()
                raise DataError(
                    f"{self.file}, line {number}: no {what} ({first_line(why)}). Remove the line."
                ) from None

    def append(self, records: Iterable[Record]) -> None:
        """Append records; they are on the disk when this returns."""
        is_new = not self.file.exists()
        with self._disk_errors(), self.file.open("a+b") as stream:
            cut_half_a_line(stream.fileno())
            stream.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
            stream.flush()
            os.fsync(stream.fileno())
            if is_new:
                sync(self.file.parent)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes that hold it from appending between what is read and appended in the block."""
        with self._disk_errors(), exclusive(self.file.with_suffix(".lock"), PATIENCE):
            yield

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as why:
            reason = "another process holds it" if isinstance(why, TimeoutError) else why.strerror
            raise DataError(f"{self.file}: can't be read or written ({reason}).") from None
