"""`compact`: a folder written anew, without gaps."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from tailrank.files import sync
from tailrank.state.base import StateError
from tailrank.state.changes import unpack
from tailrank.state.checks import oldest_kept
from tailrank.state.environment import DATA, LmdbEnvironment, Txn, damaged
from tailrank.state.intern_table import Coder, InternTable
from tailrank.state.record import ITEMS, TYPE_BITS, TYPES, Row, encode, rows

AT_ONCE: Final = 4_096
BESIDE: Final = "compacted"

Pairs: TypeAlias = list[tuple[bytes, bytes]]


def compact(folder: Path, ttl: float | None = None) -> tuple[int, int]:
    """Write a folder anew, offline: full pages, no expired events, no names that nobody's past holds.

    A folder that takes events in any order ends up with pages two thirds full; they are filled in order here.
    Every page is checked before. The old file stays until the new one is whole.

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
        Where there is no state, it is in use or damaged, or the disk is full.
    """
    if not (folder / DATA).exists():
        raise StateError(f"{folder}: no state is kept here: name its folder")
    beside = folder / BESIDE
    with LmdbEnvironment(folder, alone=True) as old:
        shutil.rmtree(beside, ignore_errors=True)  # of a compaction that was killed
        try:
            with LmdbEnvironment(beside) as new:
                _copy_people(old, new, oldest_kept(ttl))
                _copy_changes(old, new)
            sizes = (folder / DATA).stat().st_size, (beside / DATA).stat().st_size
            (beside / DATA).replace(folder / DATA)
            sync(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return sizes


def _copy_people(old: LmdbEnvironment, new: LmdbEnvironment, oldest: int) -> None:
    names = InternTable("item", ITEMS), InternTable("event type", TYPES)
    for table, known in zip((b"items", b"types"), names, strict=True):
        old.read(partial(known.learn, table=old.tables[table]))
    fresh = InternTable("item", ITEMS), InternTable("event type", TYPES)
    start = b""
    while people := old.read(partial(_page, old, b"users", start)):
        new.write(partial(_put_people, old.folder, new, people, oldest, (*names, *fresh)))
        start = people[-1][0] + b"\0"


def _put_people(
    folder: Path,
    new: LmdbEnvironment,
    people: Pairs,
    oldest: int,
    names: tuple[InternTable, InternTable, InternTable, InternTable],
    txn: Txn,
) -> None:
    old_items, old_types, new_items, new_types = names
    items = Coder(new_items, txn, new.tables[b"items"])
    types = Coder(new_types, txn, new.tables[b"types"])

    def renamed(row: Row) -> Row:
        item, kind = old_items.by_code[row.names >> TYPE_BITS], old_types.by_code[row.names % TYPES]
        return row._replace(names=types.code(kind) | items.code(item) << TYPE_BITS)

    for key, record in people:
        try:
            kept = [renamed(row) for row in rows(record) if row.time >= oldest]
        except (ValueError, IndexError) as error:
            raise damaged(folder, f"record of user {key.decode(errors='replace')!r}: {error}") from None
        if kept:
            txn.put(key, encode(kept), append=True, db=new.tables[b"users"])


def _copy_changes(old: LmdbEnvironment, new: LmdbEnvironment) -> None:
    for table in (b"changes", b"changed"):
        start = b""
        while pairs := old.read(partial(_page, old, table, start)):
            if table == b"changes":
                for _, value in pairs:
                    unpack(value)
            new.write(partial(_put, new, table, pairs))
            start = pairs[-1][0] + b"\0"


def _put(new: LmdbEnvironment, table: bytes, pairs: Pairs, txn: Txn) -> None:
    for key, value in pairs:
        txn.put(key, value, append=True, db=new.tables[table])


def _page(file: LmdbEnvironment, table: bytes, start: bytes, txn: Txn) -> Pairs:
    pairs: Pairs = []
    with txn.cursor(file.tables[table]) as cursor:
        there = cursor.set_range(start) if start else cursor.first()
        while there and len(pairs) < AT_ONCE:
            pairs.append(cursor.item())
            there = cursor.next()
    return pairs
