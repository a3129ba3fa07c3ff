"""Files that a column of items names, such as pictures, and their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import polars as pl

from tailrank.arrays import Floats
from tailrank.errors import DataError, EncoderError, first_line
from tailrank.files import sha256_of
from tailrank.language.recordings import is_recording
from tailrank.language.store import VectorStore
from tailrank.language.vector_column import named_column, row_of
from tailrank.reporting import Progress, silent

MOST_BYTES: Final = 64 * 2**20
"""Of a picture, which is read as a whole."""


class FileEncoder(Protocol):
    """Makes a vector of a file."""

    @property
    def name(self) -> str:
        """Where it is."""

    @property
    def fingerprint(self) -> str:
        """Of all that decides its vectors."""

    @property
    def dimension(self) -> int:
        """The d of its vectors."""

    def encode_file(self, file: Path) -> Floats:
        """Give a unit vector of shape (d,), or raise EncoderError with what is wrong with the file."""


def file_vectors(
    items: pl.DataFrame,
    column: str,
    folder: Path,
    encoder: FileEncoder,
    store: VectorStore,
    progress: Progress = silent,
) -> Floats:
    """Encode the files that a column names; equal files are encoded once, and kept in the store.

    Parameters
    ----------
    items
        One row an item.
    column
        Its cells name files by their path from `folder`, or are empty.
    folder
        Nothing outside of it is read.
    encoder
        Reads the files.
    store
        Where vectors are kept, by the content of the files.
    progress
        Is told how many files are encoded.

    Returns
    -------
    Floats
        Unit vectors, shape (items, d); zero for an item without a file.

    Raises
    ------
    DataError
        Naming the row and the file that is missing, outside of the folder, too large, or can't be read.
    """
    keys, files = named_files(items, column, folder)
    return store.vectors(keys, _ByContent(encoder, files), progress)


@dataclass(frozen=True)
class NamedFile:
    """A file, and how messages call it."""

    path: Path
    called: str


def named_files(items: pl.DataFrame, column: str, folder: Path) -> tuple[list[str], dict[str, NamedFile]]:
    """Find the files that a column names.

    Returns
    -------
    tuple[list[str], dict[str, NamedFile]]
        The sha256 of each item's file, empty for an item without one; and one file of each content.

    Raises
    ------
    DataError
        As `file_vectors` does, but for what only reading them shows.
    """
    cells = items[named_column(items, column)]
    if cells.dtype != pl.String:
        raise DataError(f"items: the column `{column}` holds {cells.dtype}, no paths of files")
    keys, found = list[str](), dict[str, NamedFile]()
    for row, cell in enumerate(cells):
        if cell is None or not cell.strip():
            keys.append("")
            continue
        named = NamedFile(_inside(folder, cell, items, row), f"{row_of(items, row)}: `{column}` {cell!r}")
        keys.append(_digest(named))
        found.setdefault(keys[-1], named)
    if not found:
        raise DataError(f"items: the column `{column}` names no file")
    return keys, found


@contextmanager
def naming_file(named: NamedFile) -> Iterator[None]:
    """Say which file an encoder's error is about.

    Raises
    ------
    DataError
        In place of an EncoderError.
    """
    try:
        yield
    except EncoderError as why:
        raise DataError(f"{named.called} {why}, or leave it out") from None


@dataclass(frozen=True)
class _ByContent:
    """An encoder of files that go by the sha256 of their content, as a store takes it."""

    encoder: FileEncoder
    files: Mapping[str, NamedFile]

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def fingerprint(self) -> str:
        return self.encoder.fingerprint

    @property
    def dimension(self) -> int:
        return self.encoder.dimension

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Floats:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for done, text in enumerate(texts):
            with naming_file(self.files[text]):
                vectors[done] = self.encoder.encode_file(self.files[text].path)
            progress("encoding files", done + 1, len(texts))
        return vectors


def _inside(folder: Path, cell: str, items: pl.DataFrame, row: int) -> Path:
    """Find a file by its path from a folder; links that lead out of it are refused, too."""
    place = folder.resolve()
    try:
        path = (place / cell.strip()).resolve()
        exists = path.is_file()
    except (OSError, ValueError, RuntimeError) as why:  # too long, with a zero byte, a ring of links
        raise DataError(f"{row_of(items, row)}: {cell[:80]!r} names no file ({first_line(why)})") from None
    if Path(cell.strip()).is_absolute() or not path.is_relative_to(place):
        raise DataError(
            f"{row_of(items, row)}: {cell!r} is outside of {folder}: write a path that starts there"
        )
    if not exists:
        raise DataError(f"{row_of(items, row)}: {cell!r} is no file in {folder}: add it, or leave it out")
    return path


def _digest(named: NamedFile) -> str:
    try:
        size = named.path.stat().st_size
        if size > MOST_BYTES and not is_recording(named.path):
            raise DataError(f"{named.called} has {size:,} bytes, more than {MOST_BYTES:,}: make it smaller")
        return sha256_of(named.path)
    except OSError as why:
        raise DataError(f"{named.called} can't be read ({first_line(why)})") from None
