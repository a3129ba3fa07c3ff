"""`compact`: a folder written anew, without gaps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from tailrank.files import sync
from tailrank.state.base import StateError
from tailrank.state.checks import expiry_time
from tailrank.state.environment import DATA_FILE, LmdbEnvironment, Pairs, Table, Txn, read_pairs, record_error
from tailrank.state.intern_table import FolderNames, RowCoder
from tailrank.state.item_changes import decode_change
from tailrank.state.record import decode_rows, encode_rows
from tailrank.state.user_records import UserRecords

PAIRS_AT_ONCE: Final = 4_096
COPY_FOLDER: Final = "compacted"


def compact(folder: Path, ttl: float | None = None) -> tuple[int, int]:
    """Write a folder anew, offline: full pages, no expired events, no names that no history uses.

    A folder that stores events in any order ends up with pages two thirds full; the copy is filled in order.
    Every page is checked before. The old file stays until the new one is complete.

    Parameters
    ----------
    folder
        Of an `EmbeddedState` that isn't open.
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
    with closing(LmdbEnvironment(folder, exclusive=True)) as old:
        shutil.rmtree(copy, ignore_errors=True)  # of a compaction that was killed
        try:
            with closing(LmdbEnvironment(copy)) as new:
                _copy_users(old, new, expiry_time(ttl))
                _copy_others(old, new)
            sizes = (folder / DATA_FILE).stat().st_size, (copy / DATA_FILE).stat().st_size
            (copy / DATA_FILE).replace(folder / DATA_FILE)
            sync(folder)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
    return sizes


def _copy_users(old: LmdbEnvironment, new: LmdbEnvironment, oldest: int) -> None:
    old_names, new_names = FolderNames(old.tables), FolderNames(new.tables)
    old_records, new_records = UserRecords(old.tables), UserRecords(new.tables)
    old.read(old_names.refresh)

    def put(users: Pairs, txn: Txn) -> None:
        coder = RowCoder(new_names, txn)
        for user, record in users:
            kept = [row for row in decode_rows(record) if row.time >= oldest]
            names = old_names.lookup([row.item for row in kept], [row.event_type for row in kept])
            if kept:
                codes = [coder.codes(item, event_type) for item, event_type in zip(*names, strict=True)]
                rows = [
                    row._replace(item=item, event_type=event_type)
                    for row, (item, event_type) in zip(kept, codes, strict=True)
                ]
                new_records.put(txn, user, None, encode_rows(rows))

    try:
        for users in _pages(old, old_records.page):
            new.write(partial(put, users))
    except (ValueError, IndexError) as error:
        raise record_error(old.folder, error) from None


def _copy_others(old: LmdbEnvironment, new: LmdbEnvironment) -> None:
    for table in (b"changes", b"changed", b"notes", b"shown"):
        for pairs in _pages(old, partial(read_pairs, table=old.tables[table])):
            if table == b"changes":
                for _, change in pairs:
                    decode_change(change)
            new.write(partial(_put_pairs, new.tables[table], pairs))


def _put_pairs(table: Table, pairs: Pairs, txn: Txn) -> None:
    with txn.cursor(table) as cursor:
        cursor.putmulti(pairs, append=True)


def _pages(env: LmdbEnvironment, read_page: Callable[..., Pairs]) -> Iterator[Pairs]:
    start = b""
    while pairs := env.read(partial(read_page, start=start, n=PAIRS_AT_ONCE)):
        yield pairs
        start = pairs[-1][0] + b"\0"
