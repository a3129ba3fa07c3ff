"""Files and folders written beside, then renamed: a reader sees the old one or the new one, never half.

What was written is on the disk before it gets its name, so that holds after a crash of the machine too.
A process that is killed leaves what was there, and perhaps a hidden folder beside it.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

UNFINISHED: Final = ".new."
"""What the names of folders start with in which `joining_files` gathers files."""

_LOCK: Final = "lock"

_WORKING_FOLDER: Final = -100
_EXCHANGE: Final = 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""


def is_writable(place: Path) -> bool:
    """Whether a file or folder can be made at a place, or is there and can be written to."""
    nearest = next(path for path in (place, *place.resolve().parents) if path.exists())
    return os.access(nearest, os.W_OK) and (nearest == place or nearest.is_dir())


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

    A folder that is there is replaced in one step on Linux. Elsewhere there are two, between which a process
    that is killed leaves it in a hidden folder beside.

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
        if not target.exists():
            new.replace(target)
        elif not _exchanged(new, target):
            target.replace(old)
            try:
                new.replace(target)
            except OSError:
                old.replace(target)
                raise
        sync(target.parent)


@contextmanager
def joining_files(folder: Path, last: str) -> Iterator[Path]:
    """Give an empty folder to fill; its files move into another folder once that has gone well, `last` last.

    A reader that starts at `last`, and finds in it the names of the other files, sees those that belong
    together, if other content has other names.

    Parameters
    ----------
    folder
        Made if there is none; what else it holds stays.
    last
        Name of one of the files.

    Raises
    ------
    OSError
        If the files can't be written. What was there stays.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=UNFINISHED, dir=folder, ignore_cleanup_errors=True) as beside:
            yield Path(beside)
            files = sorted(Path(beside).iterdir(), key=lambda file: file.name == last)
            for file in files:
                sync(file)
            for file in files:
                if file.name == last:
                    sync(folder)
                file.replace(folder / file.name)
        sync(folder)
        sync(folder.parent)
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def scratch_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """Give a folder to work in, which goes when the block ends; those that dead processes left go before.

    Who works in one holds a lock on a file in it, which ends with the process, however that ends.

    Parameters
    ----------
    folder
        Where it is made; must exist.
    prefix
        What its name starts with.

    Raises
    ------
    OSError
        If it can't be made.
    """
    for other in folder.glob(f"{prefix}*/{_LOCK}"):
        with suppress(OSError), other.open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(other.parent, ignore_errors=True)
    with TemporaryDirectory(prefix=prefix, dir=folder, ignore_cleanup_errors=True) as place:
        new = Path(place, f"new.{_LOCK}")
        with new.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(Path(place, _LOCK))  # only now, as others may take one that isn't locked
            yield Path(place)


def sync(path: Path) -> None:
    """Wait until a file, or the names that a folder holds, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_half_a_line(descriptor: int) -> None:
    """Cut off what is behind the last line feed of an open file, such as a killed process left."""
    size = end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 4096)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


@contextmanager
def exclusive(file: Path, patience: float) -> Iterator[None]:
    """Hold a lock, which ends with the block or the process.

    Parameters
    ----------
    file
        What is locked; made if there is none.
    patience
        Seconds to wait for another process.

    Raises
    ------
    TimeoutError
        If another one holds it for longer.
    OSError
        If the file can't be made.
    """
    end = time.monotonic() + patience
    with file.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(file) from None
            time.sleep(0.1)
        yield


def sha256_of(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step; returns whether the system could."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    names = _WORKING_FOLDER, os.fsencode(one), _WORKING_FOLDER, os.fsencode(other)
    return bool(rename(*names, _EXCHANGE) == 0)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Make a hidden folder on the same disk, which goes when the block ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}."
    with TemporaryDirectory(prefix=prefix, dir=target.parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
