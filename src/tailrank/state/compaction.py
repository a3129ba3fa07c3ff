"""`compact`: a folder written anew, without gaps."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Final

from tailrank.files import sync
from tailrank.state.base import StateError
from tailrank.state.checks import expiry_time
from tailrank.state.environment import DATA_FILE, LmdbEnvironment, Pairs, Txn, read_pairs, record_error
from tailrank.state.intern_table import FolderNames, RowCoder
from tailrank.state.item_changes import decode_change
from tailrank.state.record import decode_rows, encode_rows

PAIRS_AT_ONCE: Final = 4_096
COPY_FOLDER: Final = "compacted"


def compact(folder: Path, ttl: float | None = None) -> tuple[int, int]:
    """Write a folder anew, offline: full pages, no expired events, no names that no history uses.

    A folder that stores events in any order ends up with pages two thirds full; the copy is filled in order.
    Every page is checked before. The old file stays until the new one is complete.

    Parameters
    ----------
    folder
        Of an `EmbeddedState` that nobody has open.
    ttl
        Seconds after which events expire; None keeps them.

    Returns
    -------
    tuple[int, int]
        Bytes of the old and the new file.

    Raises
    ------
    StateError
        If there is no state, it is in use or damaged, or the disk is full.
    """
    if not (folder / DATA_FILE).exists():
        raise StateError(f"{folder}: no state is stored here: name its folder")
    copy = folder / COPY_FOLDER
    with LmdbEnvironment(folder, exclusive=True) as old:
        shutil.rmtree(copy, ignore_errors=True)  # of a compaction that was killed
        try:
            with LmdbEnvironment(copy) as new:
                _copy_users(old, new, expiry_time(ttl))
                _copy_changes(old, new)
            sizes = (folder / DATA_FILE).stat().st_size, (copy / DATA_FILE).stat().st_size
            (copy / DATA_FILE).replace(folder / DATA_FILE)
            sync(folder)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
    return sizes


def _copy_users(old: LmdbEnvironment, new: LmdbEnvironment, oldest: int) -> None:
    old_names, new_names = FolderNames(), FolderNames()
    old.read(partial(old_names.refresh, tables=old.tables))

    def put(users: Pairs, txn: Txn) -> None:
        coder = RowCoder(new_names, txn, new.tables)
        for key, record in users:
            try:
                kept = [row for row in decode_rows(record) if row.time >= oldest]
                recoded = [row._replace(codes=coder.codes(*old_names.of(row.codes))) for row in kept]
            except (ValueError, IndexError) as error:
                raise record_error(old.folder, key, error) from None
            if recoded:
                txn.put(key, encode_rows(recoded), append=True, db=new.tables[b"users"])

    start = b""
    while users := old.read(partial(read_pairs, table=old.tables[b"users"], start=start, n=PAIRS_AT_ONCE)):
        new.write(partial(put, users))
        start = users[-1][0] + b"\0"


def _copy_changes(old: LmdbEnvironment, new: LmdbEnvironment) -> None:
    for table in (b"changes", b"changed"):
        start = b""
        while pairs := old.read(partial(read_pairs, table=old.tables[table], start=start, n=PAIRS_AT_ONCE)):
            if table == b"changes":
                for _, value in pairs:
                    decode_change(value)
            new.write(partial(_put_pairs, new, table, pairs))
            start = pairs[-1][0] + b"\0"


def _put_pairs(new: LmdbEnvironment, table: bytes, pairs: Pairs, txn: Txn) -> None:
    for key, value in pairs:
        txn.put(key, value, append=True, db=new.tables[table])
