"""Files and folders written beside, then renamed: a reader sees the old one or the new one, never half.

What was written is on the disk before it gets its name, so that holds after a crash of the machine too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def written_file(file: Path) -> Iterator[Path]:
    """Give a path to write to; what is written there becomes `file` once that has gone well.

    Parameters
    ----------
    file
        May exist; if it is a link, what it names is replaced. Its folder is made if there is none.

    Raises
    ------
    OSError
        If the file can't be written. What was there stays.
    """
    target = file.resolve()
    with _beside(target) as folder:
        new = folder / target.name
        yield new
        sync(new)
        new.replace(target)
    sync(target.parent)


@contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `folder` once that has gone well.

    Parameters
    ----------
    folder
        May exist; if it is a link, what it names is replaced. Its parent is made if there is none.

    Raises
    ------
    OSError
        If the folder can't be written. What was there stays.
    """
    target = folder.resolve()
    with _beside(target) as beside:
        new, old = beside / "new", beside / "old"
        new.mkdir()
        yield new
        for path in [*new.rglob("*"), new]:
            sync(path)
        if target.exists():
            target.replace(old)
        try:
            new.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
        sync(target.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names that a folder holds, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Make a hidden folder on the same disk, which goes when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}."
    with TemporaryDirectory(prefix=prefix, dir=target.parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
