"""`EmbeddedState`: a folder that the workers of one machine share."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tailrank.data.histories import History
from tailrank.state.base import ItemChange, Read, StateError, UserEvent
from tailrank.state.changes import PAGE, Page, collect, pack, unpack
from tailrank.state.checks import Checked, check_changes, check_events, id_bytes, oldest_kept
from tailrank.state.environment import LmdbEnvironment, Txn, damaged
from tailrank.state.intern_table import Coder, InternTable
from tailrank.state.record import ITEMS, TYPE_BITS, TYPES, Row, columns, encode, merge, rows
from tailrank.state.writer import GroupWriter, JobError

SWEPT: Final = 50
SWEEP_SECONDS: Final = 0.05
VERSION_BYTES: Final = 8

log = logging.getLogger(__name__)


class _Write(NamedTuple):
    """What a job has: a transaction, and codes for names in it."""

    txn: Txn
    items: Coder
    types: Coder


class EmbeddedState:
    """`State` in an LMDB folder.

    What `append` or `change` has returned outlives the process and the machine: it was synced to disk. Calls
    made at the same time on one event loop share a sync. Any number of processes may open the folder; each
    opens it once, after it was forked.

    Parameters
    ----------
    folder
        Made where it is missing; on a local disk.
    ttl
        Seconds after which events expire: they are no longer read, and removed in the background. None keeps
        them.

    Raises
    ------
    StateError
        Where the folder can't be made, is of another format, damaged or being compacted.
    """

    def __init__(self, folder: Path, ttl: float | None = None) -> None:
        self._file, self._ttl = LmdbEnvironment(folder), ttl
        tables = self._file.tables
        self._users, self._changes, self._changed = tables[b"users"], tables[b"changes"], tables[b"changed"]
        self._items, self._types = InternTable("item", ITEMS), InternTable("event type", TYPES)
        self._file.read(self._learn)
        self._swept = b""
        idle = None if ttl is None else (self._sweep, SWEEP_SECONDS)
        self._writer = GroupWriter(self._commit, idle)

    async def append(self, events: Sequence[UserEvent]) -> int:
        """Keep events, as `State.append`."""
        checked = check_events(events, oldest_kept(self._ttl))
        return await self._writer.do(partial(self._keep, checked), len(checked)) if checked else 0

    async def read(self, user_id: str) -> Read:
        """Read a person's past, as `State.read`; without waiting, where the page is in memory."""
        key = id_bytes(user_id, "user_id")
        record, version = self._file.read(lambda txn: (txn.get(key, db=self._users), self._version(txn)))
        if record is None:
            return Read(History([], [], []), version)
        names, times = self._columns(record, key)
        items, events = self._named(names, key)
        expired = bisect_left(times, oldest_kept(self._ttl))
        past = History(items[expired:], events[expired:], [time / 1000 for time in times[expired:]])
        return Read(past, version)

    async def erase(self, user_id: str) -> bool:
        """Forget a person, as `State.erase`."""
        key = id_bytes(user_id, "user_id")
        return await self._writer.do(lambda write: write.txn.delete(key, db=self._users))

    async def change(self, changes: Sequence[ItemChange]) -> int:
        """Put or delete items, as `State.change`."""
        check_changes(changes)
        return await self._writer.do(partial(self._put, changes), len(changes))

    async def changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Give the items changed after a version, as `State.changes`."""
        return await collect(self._page, since)

    async def close(self) -> None:
        """Finish what was asked for, then let go of the folder."""
        await self._writer.close()
        self._file.close()

    def _commit(self, works: Sequence[Callable[[_Write], Any]]) -> list[Any]:
        def in_one(txn: Txn) -> list[Any]:
            tables, results = self._file.tables, []
            coders = Coder(self._items, txn, tables[b"items"]), Coder(self._types, txn, tables[b"types"])
            for place, work in enumerate(works):
                try:
                    results.append(work(_Write(txn, *coders)))
                except StateError as error:
                    raise JobError(place, error) from error
            return results

        return self._file.write(in_one)

    def _keep(self, events: Sequence[Checked], write: _Write) -> int:
        people: dict[bytes, list[Row]] = {}
        for event in events:
            names = write.types.code(event.event) | write.items.code(event.item) << TYPE_BITS
            row = Row(event.time, names, int.from_bytes(event.digest, "little"))
            people.setdefault(event.user, []).append(row)
        new = 0
        for key, events_of in people.items():
            try:
                record, kept = merge(write.txn.get(key, db=self._users), events_of)
            except ValueError as error:
                raise self._damaged(key, error) from None
            if kept:
                write.txn.put(key, record, db=self._users)
                new += kept
        return new

    def _put(self, changes: Sequence[ItemChange], write: _Write) -> int:
        version = self._version(write.txn)
        for change in changes:
            version += 1
            item, key = change.item_id.encode(), version.to_bytes(VERSION_BYTES, "big")
            if (before := write.txn.get(item, db=self._changed)) is not None:
                write.txn.delete(before, db=self._changes)
            write.txn.put(key, pack(change), append=True, db=self._changes)
            write.txn.put(item, key, db=self._changed)
        return version

    def _version(self, txn: Txn) -> int:
        with txn.cursor(self._changes) as cursor:
            return int.from_bytes(cursor.key(), "big") if cursor.last() else 0

    async def _page(self, since: int) -> Page:
        await asyncio.sleep(0)
        return self._file.read(partial(self._after, since))

    def _after(self, since: int, txn: Txn) -> Page:
        page: list[tuple[int, ItemChange]] = []
        with txn.cursor(self._changes) as cursor:
            there = cursor.set_range((since + 1).to_bytes(VERSION_BYTES, "big"))
            while there and len(page) < PAGE:
                key, value = cursor.item()
                page.append((int.from_bytes(key, "big"), unpack(value)))
                there = cursor.next()
        return self._version(txn), page

    def _columns(self, record: bytes, key: bytes) -> tuple[tuple[int, ...], list[int]]:
        try:
            return columns(record)
        except ValueError as error:
            raise self._damaged(key, error) from None

    def _named(self, names: tuple[int, ...], key: bytes) -> tuple[list[str], list[str]]:
        items, types = self._items.by_code, self._types.by_code
        try:
            return [items[name >> TYPE_BITS] for name in names], [types[name % TYPES] for name in names]
        except IndexError:
            before = len(items), len(types)
        self._file.read(self._learn)  # another process has added some
        if before == (len(items), len(types)):
            raise self._damaged(key, ValueError("a name is missing"))
        return self._named(names, key)

    def _learn(self, txn: Txn) -> None:
        self._items.learn(txn, self._file.tables[b"items"])
        self._types.learn(txn, self._file.tables[b"types"])

    def _damaged(self, key: bytes, error: ValueError) -> StateError:
        return damaged(self._file.folder, f"record of user {key.decode(errors='replace')!r}: {error}")

    def _sweep(self) -> None:
        """Remove what has expired of the next few people."""
        oldest = oldest_kept(self._ttl)
        try:
            expired, self._swept = self._file.read(partial(self._expired, oldest, self._swept))
            if expired:
                self._file.write(partial(self._trim, oldest, expired))
        except StateError as error:
            log.warning("expired events were not removed: %s", error)

    def _expired(self, oldest: int, start: bytes, txn: Txn) -> tuple[list[bytes], bytes]:
        """Look through some people from a key on; gives who has expired events, and the key to go on from."""
        expired: list[bytes] = []
        with txn.cursor(self._users) as cursor:
            there = cursor.set_range(start)
            for _ in range(SWEPT):
                if not there:
                    return expired, b""
                key, record = cursor.item()
                if self._columns(record, key)[1][0] < oldest:
                    expired.append(key)
                there = cursor.next()
            return expired, cursor.key() if there else b""

    def _trim(self, oldest: int, keys: Sequence[bytes], txn: Txn) -> None:
        for key in keys:
            record = txn.get(key, db=self._users)
            kept = [row for row in rows(record) if row.time >= oldest] if record else []
            if kept:
                txn.put(key, encode(kept), db=self._users)
            else:
                txn.delete(key, db=self._users)
