"""An LMDB folder that several processes share: its map grows by itself, its errors name the remedy."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice, takewhile
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, TypeVar

import lmdb
from lmdb.verify import VerifyError, verify

from tailrank.folders import check_room
from tailrank.state.base import StateError

FORMAT: Final = b"tailrank state 2"
FORMER: Final = b"tailrank state 1"
"""A format whose folders become ones of `FORMAT` when they are opened: the records of their users stay."""

TABLES: Final = (
    b"users",
    b"numbers",
    b"records",
    b"items",
    b"types",
    b"changes",
    b"changed",
    b"notes",
    b"shown",
)
INITIAL_MAP_SIZE: Final = 1 << 26
MAX_READERS: Final = 1_024
DATA_FILE: Final = "data.mdb"

Txn: TypeAlias = "lmdb.Transaction[bytes]"
Table: TypeAlias = "lmdb._Database"
Pairs: TypeAlias = list[tuple[bytes, bytes]]
T = TypeVar("T")


class LmdbEnvironment:
    """An open folder.

    One thread may write while another one reads: a read waits only while the map is replaced.

    Parameters
    ----------
    folder
        Created if it is missing.
    exclusive
        Refuse other processes, and check all pages first.

    Raises
    ------
    StateError
        If it can't be created, is data or a model, is of another format, damaged, or in use in another way.
    """

    def __init__(self, folder: Path, *, exclusive: bool = False) -> None:
        check_folder(folder)
        self.folder = folder
        self._reading, self._writing = Lock(), Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_file = _lock(folder, exclusive)
        except OSError as error:
            raise StateError(f"{folder}: can't be used as a state ({error.strerror}): name another") from None
        with ExitStack() as opened:  # closed again if the rest fails
            opened.callback(os.close, lock_file)
            try:
                _check_presence(folder, lock_file)
                if exclusive:
                    check_pages(folder)
                self._env = _open(folder, opened)
                self.tables = self.write(self._open_tables)
                if not os.fstat(lock_file).st_size:
                    os.write(lock_file, FORMAT)
            except (lmdb.Error, OSError) as error:
                raise state_error(error, folder) from None
            self._opened = opened.pop_all()

    def read(self, work: Callable[[Txn], T]) -> T:
        """Look something up, for microseconds."""
        try:
            with self._reading, self._env.begin() as txn:
                return work(txn)
        except lmdb.MapResizedError:
            with self._writing:
                self._resize(0)
            return self.read(work)
        except (lmdb.Error, UnicodeDecodeError) as error:
            raise state_error(error, self.folder) from None

    def write(self, work: Callable[[Txn], T]) -> T:
        """Work in one transaction, durable when this returns; `work` may be called more than once."""
        with self._writing:
            while True:
                try:
                    with self._env.begin(write=True) as txn:
                        return work(txn)
                except lmdb.MapFullError:
                    if not self._env.reader_check():  # pages that killed readers held are free again
                        self._resize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._resize(0)
                except (lmdb.Error, UnicodeDecodeError) as error:
                    raise state_error(error, self.folder) from None

    def close(self) -> None:
        """Release the folder."""
        with self._writing, self._reading:
            self._opened.close()

    def _open_tables(self, txn: Txn) -> dict[bytes, Table]:
        if txn.stat()["entries"] == 0:
            txn.put(b"format", FORMAT)
        if txn.get(b"format") == FORMER:
            txn.put(b"format", FORMAT)
        if (found := txn.get(b"format")) != FORMAT:
            what = f"of format {found.decode(errors='replace')!r}" if found else "something else's LMDB"
            reads = f"this version reads {FORMAT.decode()!r}"
            raise StateError(f"{self.folder}: {what}, {reads}: name another folder")
        return {name: self._env.open_db(name, txn) for name in TABLES}

    def _resize(self, size: int) -> None:
        """Replace the map by one of another size, 0 for what another process chose."""
        with self._reading:
            try:
                self._env.set_mapsize(size)
            except lmdb.Error as error:
                raise state_error(error, self.folder) from None


def check_folder(folder: Path) -> None:
    """Raise a StateError if a folder is no state but data, a model or the like."""
    check_room(folder, "a server's state", StateError, DATA_FILE)


def read_pairs(txn: Txn, table: Table, start: bytes, n: int) -> Pairs:
    """Return at most `n` keys and values, in order, from a key on."""
    with txn.cursor(table) as cursor:
        return list(islice(cursor, n)) if cursor.set_range(start) else []


def read_prefixed(txn: Txn, table: Table, prefix: bytes) -> dict[bytes, bytes]:
    """Return what has a key that begins so, by the rest of its key, in order."""
    with txn.cursor(table) as cursor:
        found = takewhile(lambda pair: pair[0].startswith(prefix), cursor) if cursor.set_range(prefix) else ()
        return {key.removeprefix(prefix): value for key, value in found}


def check_pages(folder: Path) -> None:
    """Check every page of a folder that is not in use, without LMDB: 12 s for a gigabyte.

    Raises
    ------
    StateError
        If it is damaged.
    """
    try:
        faults: list[str] = verify(os.fspath(folder))  # type: ignore[no-untyped-call]
    except (VerifyError, OSError) as error:
        raise damage_error(folder, str(error)) from None
    if faults:
        raise damage_error(folder, str(faults[0]))


def damage_error(folder: Path, what: str) -> StateError:
    """Say what to do with a folder that doesn't hold what it should."""
    return StateError(f"{folder}: damaged ({what}): put a backup in its place, or begin with an empty folder")


def record_error(folder: Path, error: Exception | str) -> StateError:
    """Say that a record is damaged, not whose: messages get into logs."""
    return damage_error(folder, f"record of a user: {error}")


def state_error(error: lmdb.Error | OSError | UnicodeDecodeError, folder: Path) -> StateError:
    """Say what to do about an error of LMDB or the disk, or a name that can't be read."""
    if isinstance(error, UnicodeDecodeError):
        return damage_error(folder, "a name is no UTF-8")
    if isinstance(error, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.InvalidError)):
        return damage_error(folder, error.reason)
    if isinstance(error, lmdb.VersionMismatchError):
        return StateError(f"{folder}: written by another version of LMDB: name another folder")
    code = error.errno if isinstance(error, OSError) else error.code
    if code in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StateError(f"{folder}: the disk is full: free some space, then send again; nothing was stored")
    if code == errno.EIO:  # LMDB's word for a disk that took the first of the pages that it wrote at once
        why = "the disk is full, or it fails: free some space or replace it, then send again"
        return StateError(f"{folder}: {why}; nothing was stored")
    return StateError(f"{folder}: {error}")


def _lock(folder: Path, exclusive: bool) -> int:
    """Mark a folder as in use, until the descriptor is closed."""
    lock_file = os.open(folder / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_file)
        remedy = "is in use: stop its servers first" if exclusive else "is being compacted: wait for the end"
        raise StateError(f"{folder}: {remedy}") from None
    return lock_file


def _open(folder: Path, opened: ExitStack) -> lmdb.Environment:
    is_new = not (folder / DATA_FILE).exists()
    env = lmdb.open(
        os.fspath(folder),
        INITIAL_MAP_SIZE,
        max_dbs=len(TABLES) + 1,
        max_readers=MAX_READERS,
        max_spare_txns=1,
        mode=0o700,
    )
    opened.callback(env.close)
    needed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if not is_new and (folder / DATA_FILE).stat().st_size < needed:
        # If it was cut off, reading beyond its end would end the process. But a file may also end before
        # pages that were allocated and freed unwritten, so only a check of all can tell.
        check_pages(folder)
    env.reader_check()
    return env


def _check_presence(folder: Path, lock_file: int) -> None:
    """Refuse to begin anew in a folder that had events."""
    data = folder / DATA_FILE
    if os.fstat(lock_file).st_size and not (data.exists() and data.stat().st_size):
        raise damage_error(folder, f"{DATA_FILE} is missing or empty")
