"""An LMDB folder that several processes share: its map grows by itself, its errors tell what to do."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, TypeAlias, TypeVar

import lmdb
from lmdb.verify import VerifyError, verify

from tailrank.state.base import StateError

FORMAT: Final = b"tailrank state 1"
TABLES: Final = (b"users", b"items", b"types", b"changes", b"changed")
FIRST_MAP: Final = 1 << 26
READERS: Final = 1_024
DATA: Final = "data.mdb"

Txn: TypeAlias = "lmdb.Transaction[bytes]"
Table: TypeAlias = "lmdb._Database"
T = TypeVar("T")


class LmdbEnvironment:
    """An open folder.

    One thread may write, another one read at the same time: a read waits only while the map is exchanged.

    Parameters
    ----------
    folder
        Made where it is missing.
    alone
        Refuse others, and walk through all pages first.

    Raises
    ------
    StateError
        Where it can't be made, is of another format, damaged, or in use in another way.
    """

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self.folder = folder
        self._reading, self._writing = Lock(), Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark = _hold(folder, alone)
        except OSError as error:
            raise StateError(f"{folder}: can't be used as a state ({error.strerror}): name another") from None
        with ExitStack() as opened:  # closed again where the rest fails
            opened.callback(os.close, mark)
            try:
                _check_presence(folder, mark)
                if alone:
                    check(folder)
                self._env = _open(folder)
                opened.callback(self._env.close)
                self.tables = self.write(self._begin)
                if not os.fstat(mark).st_size:
                    os.write(mark, FORMAT)
            except (lmdb.Error, OSError) as error:
                raise explained(error, folder) from None
            self._opened = opened.pop_all()

    def read(self, work: Callable[[Txn], T]) -> T:
        """Look something up that takes microseconds."""
        try:
            with self._reading, self._env.begin() as txn:
                return work(txn)
        except lmdb.MapResizedError:
            with self._writing:
                self._resize(0)
            return self.read(work)
        except (lmdb.Error, UnicodeDecodeError) as error:
            raise explained(error, self.folder) from None

    def write(self, work: Callable[[Txn], T]) -> T:
        """Do something in one transaction, which is durable when this returns; it may be done anew."""
        with self._writing:
            while True:
                try:
                    with self._env.begin(write=True) as txn:
                        return work(txn)
                except lmdb.MapFullError:
                    if not self._env.reader_check():  # what killed readers held was not used again
                        self._resize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._resize(0)
                except (lmdb.Error, UnicodeDecodeError) as error:
                    raise explained(error, self.folder) from None

    def close(self) -> None:
        """Let go of the folder."""
        with self._writing, self._reading:
            self._opened.close()

    def __enter__(self) -> LmdbEnvironment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, txn: Txn) -> dict[bytes, Table]:
        _check_format(txn, self.folder)
        return {name: self._env.open_db(name, txn) for name in TABLES}

    def _resize(self, size: int) -> None:
        """Exchange the map for one of another size, 0 for what another process chose."""
        with self._reading:
            try:
                self._env.set_mapsize(size)
            except lmdb.Error as error:
                raise explained(error, self.folder) from None


def check(folder: Path) -> None:
    """Walk through every page of a folder that is not in use, without LMDB: 12 s for a gigabyte.

    Raises
    ------
    StateError
        Where it is damaged.
    """
    try:
        found: list[str] = verify(os.fspath(folder))  # type: ignore[no-untyped-call]
    except (VerifyError, OSError) as error:
        raise damaged(folder, str(error)) from None
    if found:
        raise damaged(folder, str(found[0]))


def damaged(folder: Path, what: str) -> StateError:
    """Tell what to do with a folder that doesn't hold what it should."""
    return StateError(f"{folder}: damaged ({what}): put a backup in its place, or begin with an empty folder")


def explained(error: lmdb.Error | OSError | UnicodeDecodeError, folder: Path) -> StateError:
    """Tell what to do about an error of LMDB or the disk, or a name that can't be read."""
    if isinstance(error, UnicodeDecodeError):
        return damaged(folder, "a name is no UTF-8")
    if isinstance(error, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.InvalidError)):
        return damaged(folder, error.reason)
    if isinstance(error, lmdb.VersionMismatchError):
        return StateError(f"{folder}: written by another version of LMDB: name another folder")
    code = error.errno if isinstance(error, OSError) else error.code
    if code in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StateError(f"{folder}: the disk is full: free some space, then send again; nothing was kept")
    return StateError(f"{folder}: {error}")


def _hold(folder: Path, alone: bool) -> int:
    """Mark a folder as in use, until the descriptor is closed."""
    mark = os.open(folder / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(mark, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(mark)
        remedy = "is in use: stop its servers first" if alone else "is being compacted: wait for the end"
        raise StateError(f"{folder}: {remedy}") from None
    return mark


def _open(folder: Path) -> lmdb.Environment:
    fresh = not (folder / DATA).exists()
    env = lmdb.open(
        os.fspath(folder),
        FIRST_MAP,
        max_dbs=len(TABLES) + 1,
        max_readers=READERS,
        max_spare_txns=1,
        mode=0o700,
    )
    try:
        if not fresh:
            _check_length(env, folder)
        env.reader_check()
    except BaseException:
        env.close()
        raise
    return env


def _check_presence(folder: Path, mark: int) -> None:
    """Refuse to begin anew where events had been kept before."""
    data = folder / DATA
    if os.fstat(mark).st_size and not (data.exists() and data.stat().st_size):
        raise damaged(folder, f"{DATA} is missing or empty")


def _check_length(env: lmdb.Environment, folder: Path) -> None:
    """Refuse a file that was cut off: reading behind its end would end the process.

    A file may also end before pages that were taken and given back unwritten, so only a walk can tell.
    """
    if (folder / DATA).stat().st_size < (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
        check(folder)


def _check_format(txn: Txn, folder: Path) -> None:
    if txn.stat()["entries"] == 0:
        txn.put(b"format", FORMAT)
    found = txn.get(b"format")
    if found != FORMAT:
        told = "something else's LMDB" if found is None else f"of format {found.decode(errors='replace')!r}"
        raise StateError(f"{folder}: {told}, this version reads {FORMAT.decode()!r}: name another folder")
