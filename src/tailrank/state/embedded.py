"""`EmbeddedState`: a folder that the workers of one machine share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tailrank.data.histories import History
from tailrank.state.base import (
    InvalidEventsError,
    ItemChange,
    ShownList,
    StateError,
    StoredEvent,
    UserSnapshot,
)
from tailrank.state.bulk import BulkHistories
from tailrank.state.bulk_records import put_histories
from tailrank.state.checks import (
    CheckedEvent,
    check_events,
    expiry_time,
    id_bytes,
    latest_time,
    without_future,
)
from tailrank.state.environment import LmdbEnvironment, Txn, read_pairs, read_prefixed, record_error
from tailrank.state.intern_table import FolderNames, RowCoder, TooManyNamesError
from tailrank.state.item_changes import PAGE_SIZE, Page, decode_change, encode_changes, read_pages
from tailrank.state.merging import merge_rows
from tailrank.state.record import DIGEST_BYTES, Row, decode_columns, decode_rows, encode_rows
from tailrank.state.shown_lists import encode_shown, kept_seconds, times_shown
from tailrank.state.shown_records import ShownRecords
from tailrank.state.user_records import UserRecords
from tailrank.state.writer import GroupWriter

SWEEP_USERS: Final = 50
RECENT: Final = 1_024
"""Histories that are kept as they were read: a user's rankings often follow one another without an event."""

SWEEP_SECONDS: Final = 0.05
VERSION_BYTES: Final = 8

log = logging.getLogger(__name__)


class EmbeddedState:
    """`State` in an LMDB folder.

    What `append` or `change_items` has returned outlives the process and the machine: it was synced to disk.
    Calls made at the same time on one event loop share a sync. Any number of processes may open the folder;
    each opens it once, after it was forked.

    Parameters
    ----------
    folder
        Created if it is missing; on a local disk.
    ttl
        Seconds after which events expire: they are no longer read, and removed in the background. None keeps
        them.

    Raises
    ------
    StateError
        If the folder can't be created, is of another format, damaged or being compacted.
    """

    def __init__(self, folder: Path, ttl: float | None = None) -> None:
        self._env, self._ttl = LmdbEnvironment(folder), ttl
        tables = self._env.tables
        self._users, self._notes = UserRecords(tables), tables[b"notes"]
        self._shown = ShownRecords(tables, kept_seconds(ttl))
        self._changes, self._versions = tables[b"changes"], tables[b"changed"]
        self._names = FolderNames(tables)
        self._env.read(self._names.refresh)
        self._recent = lru_cache(RECENT)(self._history_of)
        self._sweep_from = b""
        self._writer = GroupWriter(self._commit, self._sweep, None if ttl is None else SWEEP_SECONDS)

    async def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events, as `State.append`."""
        checked = check_events(events, expiry_time(self._ttl))
        return await self._writer.submit(partial(self._append, checked), len(checked)) if checked else 0

    async def load(self, bulk: BulkHistories) -> int:
        """Store whole histories, as `State.load`."""
        return await self._writer.submit(partial(self._load, bulk), len(bulk.items))

    async def read(self, user_id: str) -> UserSnapshot:
        """Read a user's history, as `State.read`."""
        return self.read_at_once(user_id)

    def read_at_once(self, user_id: str) -> UserSnapshot:
        """Read a user's history; without waiting if the page is in memory."""
        key = id_bytes(user_id, "user_id")
        record, version = self._env.read(lambda txn: (self._record(txn, key), self._version(txn)))
        if record is None:
            return UserSnapshot(History([], [], []), version)
        times, history = self._recent(record)
        latest, start = latest_time(), 0
        if times[-1] > latest:
            times = np.array(without_future(times.tolist(), latest, latest))
            history = history._replace(times=(times / 1000).tolist())
        if self._ttl is not None:
            start = int(times.searchsorted(expiry_time(self._ttl)))
        if start:
            history = History(history.items[start:], history.events[start:], history.times[start:])
        return UserSnapshot(history, version)

    async def erase(self, user_id: str) -> bool:
        """Delete what is stored of a user, as `State.erase`."""
        key = id_bytes(user_id, "user_id")

        def erase(coder: RowCoder) -> bool:
            shown = self._shown.delete(coder.txn, key)
            return self._users.delete(coder.txn, key) or shown

        return await self._writer.submit(erase)

    async def add_shown(self, lists: Sequence[ShownList]) -> None:
        """Store what users were shown, as `State.add_shown`."""
        encoded = [(id_bytes(each.user_id, "user_id"), encode_shown(each)) for each in lists]
        await self._writer.submit(lambda coder: self._shown.add(coder.txn, encoded), len(encoded))

    async def shown(self, user_id: str) -> dict[str, list[float]]:
        """Say when a user was shown each item, as `State.shown`."""
        key = id_bytes(user_id, "user_id")
        return times_shown(self._env.read(lambda txn: self._shown.get(txn, key)), kept_seconds(self._ttl))

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        """Store item changes, as `State.change_items`."""
        return await self._writer.submit(partial(self._put_changes, encode_changes(changes)), len(changes))

    async def item_changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Return the changes after a version, as `State.item_changes`."""
        return await read_pages(self._read_page, since)

    async def put_note(self, kind: str, name: str, value: bytes) -> None:
        """Store a note, as `State.put_note`."""
        key = _prefix(kind) + id_bytes(name, "name")
        await self._writer.submit(lambda coder: coder.txn.put(key, value, db=self._notes))

    async def notes(self, kind: str) -> dict[str, bytes]:
        """Read all notes of a kind, as `State.notes`."""
        found = self._env.read(lambda txn: read_prefixed(txn, self._notes, _prefix(kind)))
        return {name.decode(): value for name, value in found.items()}

    async def close(self) -> None:
        """Finish what was submitted, then release the folder."""
        await self._writer.close()
        self._env.close()

    def _commit(self, jobs: Sequence[Callable[[RowCoder], Any]]) -> list[Any]:
        """Do jobs in one transaction."""

        def run(txn: Txn) -> list[Any]:
            coder = RowCoder(self._names, txn)
            return [job(coder) for job in jobs]

        return self._env.write(run)

    def _append(self, events: Sequence[CheckedEvent], coder: RowCoder) -> int:
        by_user: dict[bytes, list[Row]] = {}
        faults: dict[int, str] = {}
        for event in events:
            try:
                item, event_type = coder.codes(event.item_id, event.event_type)
            except TooManyNamesError as error:
                faults[event.position] = str(error)
                continue
            row = Row(event.time, item, event_type, int.from_bytes(event.digest[:DIGEST_BYTES], "little"))
            by_user.setdefault(event.user_key, []).append(row)
        if faults:
            raise InvalidEventsError(faults)
        stored, latest, widths = 0, latest_time(), coder.widths
        for key, rows in by_user.items():
            try:
                number, before = self._users.find(coder.txn, key)
                record, new = merge_rows(before, rows, latest, widths)
            except ValueError as error:
                raise record_error(self._env.folder, error) from None
            if new:
                self._users.put(coder.txn, key, number, record)
                stored += new
        return stored

    def _load(self, bulk: BulkHistories, coder: RowCoder) -> int:
        try:
            return put_histories(bulk, self._users, coder)
        except ValueError as error:
            raise record_error(self._env.folder, error) from None

    def _put_changes(self, changes: Sequence[tuple[bytes, bytes]], coder: RowCoder) -> int:
        version = self._version(coder.txn)
        for item, change in changes:
            version += 1
            key = version.to_bytes(VERSION_BYTES, "big")
            if (before := coder.txn.get(item, db=self._versions)) is not None:
                coder.txn.delete(before, db=self._changes)
            coder.txn.put(key, change, append=True, db=self._changes)
            coder.txn.put(item, key, db=self._versions)
        return version

    def _version(self, txn: Txn) -> int:
        with txn.cursor(self._changes) as cursor:
            return int.from_bytes(cursor.key(), "big") if cursor.last() else 0

    async def _read_page(self, since: int) -> Page:
        def read(txn: Txn) -> Page:
            pairs = read_pairs(txn, self._changes, (since + 1).to_bytes(VERSION_BYTES, "big"), PAGE_SIZE)
            return self._version(txn), [
                (int.from_bytes(key, "big"), decode_change(each)) for key, each in pairs
            ]

        await asyncio.sleep(0)
        return self._env.read(read)

    def _record(self, txn: Txn, key: bytes) -> bytes | None:
        try:
            return self._users.get(txn, key)
        except ValueError as error:
            raise record_error(self._env.folder, error) from None

    def _history_of(self, record: bytes) -> tuple[NDArray[np.int64], History]:
        """Read a record: its times in milliseconds, and all of it. What a code stands for never changes."""
        times, item_codes, type_codes = self._decode(record)
        items, types = self._names_of(item_codes.tolist(), type_codes.tolist())
        return times, History(items, types, (times / 1000).tolist())

    def _decode(self, record: bytes) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        try:
            return decode_columns(record)
        except ValueError as error:
            raise record_error(self._env.folder, error) from None

    def _names_of(self, items: Sequence[int], types: Sequence[int]) -> tuple[list[str], list[str]]:
        """Look up the items and event types of a record's rows."""
        for _ in range(2):
            try:
                return self._names.lookup(items, types)
            except IndexError:  # another process has added some
                self._env.read(self._names.refresh)
        raise record_error(self._env.folder, "a name is missing")

    def _sweep(self) -> None:
        """Remove the expired events of the next few users."""
        oldest = expiry_time(self._ttl)
        try:
            users = self._env.read(lambda txn: self._users.page(txn, self._sweep_from, SWEEP_USERS))
            self._sweep_from = users[-1][0] + b"\0" if len(users) == SWEEP_USERS else b""
            expired = [key for key, record in users if self._decode(record)[0][0] < oldest]
            if expired:
                self._env.write(partial(self._trim, oldest, expired))
        except (StateError, ValueError) as error:
            log.warning("expired events were not removed: %s", error)

    def _trim(self, oldest: int, keys: Sequence[bytes], txn: Txn) -> None:
        for key in keys:
            number, record = self._users.find(txn, key)
            kept = [row for row in decode_rows(record) if row.time >= oldest] if record else []
            if kept:
                self._users.put(txn, key, number, encode_rows(kept))
            else:
                self._users.delete(txn, key)


def _prefix(kind: str) -> bytes:
    """Begin the keys of the notes of a kind."""
    return kind.encode() + b"\0"
