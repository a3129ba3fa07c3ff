"""`compact`: a folder written anew, without gaps."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from tailrank.files import sync
from tailrank.state.base import StateError
from tailrank.state.checks import expiry_time
from tailrank.state.environment import DATA_FILE, LmdbEnvironment, Txn, record_error
from tailrank.state.intern_table import InternTable, NameInterner
from tailrank.state.item_changes import decode_change
from tailrank.state.record import MAX_ITEMS, MAX_TYPES, TYPE_BITS, Row, decode_rows, encode_rows

PAIRS_AT_ONCE: Final = 4_096
COPY_FOLDER: Final = "compacted"

Pairs: TypeAlias = list[tuple[bytes, bytes]]


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
    old_names, new_names = _NameTables(), _NameTables()
    old.read(partial(old_names.items.refresh, table=old.tables[b"items"]))
    old.read(partial(old_names.types.refresh, table=old.tables[b"types"]))
    start = b""
    while users := old.read(partial(_read_pairs, old, b"users", start)):
        new.write(partial(_put_users, old.folder, new, users, oldest, old_names, new_names))
        start = users[-1][0] + b"\0"


class _NameTables:
    """The names that one folder interns."""

    def __init__(self) -> None:
        self.items, self.types = InternTable("item", MAX_ITEMS), InternTable("event type", MAX_TYPES)


def _put_users(
    folder: Path,
    new: LmdbEnvironment,
    users: Pairs,
    oldest: int,
    old_names: _NameTables,
    new_names: _NameTables,
    txn: Txn,
) -> None:
    items = NameInterner(new_names.items, txn, new.tables[b"items"])
    types = NameInterner(new_names.types, txn, new.tables[b"types"])

    def recoded(row: Row) -> Row:
        item = old_names.items.names[row.codes >> TYPE_BITS]
        event_type = old_names.types.names[row.codes % MAX_TYPES]
        return row._replace(codes=types.code(event_type) | items.code(item) << TYPE_BITS)

    for key, record in users:
        try:
            kept = [recoded(row) for row in decode_rows(record) if row.time >= oldest]
        except (ValueError, IndexError) as error:
            raise record_error(folder, key, error) from None
        if kept:
            txn.put(key, encode_rows(kept), append=True, db=new.tables[b"users"])


def _copy_changes(old: LmdbEnvironment, new: LmdbEnvironment) -> None:
    for table in (b"changes", b"changed"):
        start = b""
        while pairs := old.read(partial(_read_pairs, old, table, start)):
            if table == b"changes":
                for _, value in pairs:
                    decode_change(value)
            new.write(partial(_put_pairs, new, table, pairs))
            start = pairs[-1][0] + b"\0"


def _put_pairs(new: LmdbEnvironment, table: bytes, pairs: Pairs, txn: Txn) -> None:
    for key, value in pairs:
        txn.put(key, value, append=True, db=new.tables[table])


def _read_pairs(env: LmdbEnvironment, table: bytes, start: bytes, txn: Txn) -> Pairs:
    pairs: Pairs = []
    with txn.cursor(env.tables[table]) as cursor:
        more = cursor.set_range(start) if start else cursor.first()
        while more and len(pairs) < PAIRS_AT_ONCE:
            pairs.append(cursor.item())
            more = cursor.next()
    return pairs
