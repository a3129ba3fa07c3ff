"""Hashes of files, and folders written beside and renamed, so that a reader never sees half of one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def sha256_of(file: Path) -> str:
    """Hash a file; hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it takes the place of `folder` once that has gone well.

    Parameters
    ----------
    folder
        May exist; where it is a link, it goes on naming the same place.

    Raises
    ------
    OSError
        Where the place can't be written. What was there stays.
    """
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent, ignore_cleanup_errors=True) as beside:
        new = Path(beside, "new")
        new.mkdir()
        yield new
        _swap(new, place, Path(beside, "old"))


def _swap(new: Path, place: Path, old: Path) -> None:
    """Put the new folder in the old one's place; the old one returns where that fails."""
    if not place.exists():
        new.replace(place)
        return
    place.replace(old)
    try:
        new.replace(place)
    except OSError:
        old.replace(place)
        raise
