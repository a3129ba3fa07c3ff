"""`ImpressionLog`: writes what is shown, and what happens then, to a folder, off the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import Final, NamedTuple, TypeAlias

from tailrank.feedback.explored_records import EnsembleRecord
from tailrank.feedback.records import (
    SEGMENTS,
    ErasedRecord,
    LogError,
    Record,
    ShownRecord,
    all_segments,
    encode,
    user_digest,
)
from tailrank.feedback.roll_over_process import Retention, RollOverProcess
from tailrank.feedback.segments import Segment, hour_of
from tailrank.files import is_writable
from tailrank.folders import check_room
from tailrank.ranking.explored import Ensemble

GROUP_SECONDS: Final = 0.05
"""How long an impression waits for others before all are written."""

SEGMENT_BYTES: Final = 1 << 26
"""A larger segment is rolled over before its hour ends."""

BACKLOG_BYTES: Final = 1 << 26
"""What may wait for the disk; later impressions are lost."""

LOG_EVERY: Final = 1.0
"""Seconds between two warnings that the disk can't be written to."""

log = logging.getLogger("tailrank.server")


def check_folder(folder: Path) -> None:
    """Check that impressions can be logged in a folder, which is made if there is none.

    Raises
    ------
    LogError
        If not.
    """
    check_room(folder, "a log of impressions", LogError, SEGMENTS)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise LogError(f"{folder}: no folder can be made there ({why.strerror}): name another one") from None
    if not is_writable(folder):
        raise LogError(f"{folder}: can't be written: name another folder")


Settle: TypeAlias = Callable[[OSError | None], None]


class Entry(NamedTuple):
    """Encoded records, who waits for them, and what they were drawn from."""

    records: Sequence[bytes]
    settle: Settle | None = None
    ensemble: Ensemble | None = None


class ImpressionLog:
    """Appends to a folder, which several processes may share, on a thread of its own.

    What `put` or `erase` has returned from outlives the process and the machine. An impression that was added
    is on the disk `GROUP_SECONDS` later, or before the next `put` returns, whichever comes first.

    Parameters
    ----------
    folder
        Made if it is missing; on a local disk.
    retention
        How much of it is kept.
    lost
        Is told how many impressions couldn't be written.
    removed
        Is told how many bytes were removed to stay within `Retention.gb`.

    Raises
    ------
    LogError
        If the folder can't be written.
    """

    def __init__(
        self,
        folder: Path,
        retention: Retention,
        lost: Callable[[int], object] = int,
        removed: Callable[[int], object] = int,
    ) -> None:
        check_folder(folder)
        self.folder, self._lost, self._logged = folder, lost, 0.0
        self._segment: Segment | None = None
        self._ensembles = set[str]()
        """Names of those that the segment holds."""
        self._hour = hour_of(time.time())
        self._pending = deque[Entry]()
        self._added = self._done = 0
        """Bytes so far; each is changed by one thread only."""
        self._awake, self._is_awaited, self._is_closed = Condition(), False, False
        self._roll_over = RollOverProcess(folder, retention, removed)
        if all_segments(folder):
            self._roll_over.request()
        self._thread = Thread(target=self._run, name="tailrank impression log", daemon=True)
        self._thread.start()

    def add(self, shown: ShownRecord, ensemble: Ensemble | None = None) -> None:
        """Log an impression soon, and what it was drawn from; nothing is waited for."""
        record = encode(shown)
        if self._added - self._done > BACKLOG_BYTES:
            self._lost(1)
            return
        self._added += len(record)
        self._pending.append(Entry((record,), ensemble=ensemble))

    async def put(self, records: Sequence[Record]) -> None:
        """Log records; they are durable when this returns.

        Raises
        ------
        LogError
            If they can't be written.
        """
        if not records:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(why: OSError | None) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                loop.call_soon_threadsafe(_settle, done, why)

        encoded = list(map(encode, records))
        with self._awake:
            if self._is_closed:
                raise LogError("the log of impressions is closed")
            self._added += sum(map(len, encoded))
            self._pending.append(Entry(encoded, settle))
            self._is_awaited = True
            self._awake.notify()
        await done

    async def erase(self, user_id: str) -> None:
        """Erase a user: readers pass over all that is logged so far, and the roll-over takes it off the disk.

        Raises
        ------
        LogError
            If that can't be written.
        """
        await self.put([ErasedRecord(user_digest(user_id), time.time())])

    async def close(self) -> None:
        """Write what was added, and end."""
        with self._awake:
            self._is_closed = True
            self._awake.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        closed = False
        while not closed:
            with self._awake:
                self._awake.wait_for(lambda: self._is_awaited or self._is_closed, GROUP_SECONDS)
                closed, self._is_awaited = self._is_closed, False
            group = [self._pending.popleft() for _ in range(len(self._pending))]
            if group:
                self._commit(group)
            try:
                self._turn_over()
            except OSError as why:
                self._warn(why)
        if self._segment is not None:
            self._segment.close()
        self._roll_over.close()

    def _commit(self, group: Sequence[Entry]) -> None:
        """Write a group, and tell who waits for it."""
        records = [record for entry in group for record in entry.records]
        failure = self._write(records, {each.ensemble.name: each.ensemble for each in group if each.ensemble})
        self._done += sum(map(len, records))
        waiting = [entry.settle for entry in group if entry.settle is not None]
        if failure is not None:
            self._lost(len(group) - len(waiting))
        for settle in waiting:
            settle(failure)

    def _write(self, records: Sequence[bytes], ensembles: Mapping[str, Ensemble]) -> OSError | None:
        """Append to the segment, or to a new one; returns why that failed."""
        try:
            if self._segment is not None and self._segment.is_removed:
                log.warning("the log of impressions was removed: a new one begins")
                self._segment.close()
                self._segment = None
            if self._segment is None:
                self._segment, self._ensembles = Segment(self.folder), set()
            new = [EnsembleRecord.of(ensembles[name]) for name in ensembles.keys() - self._ensembles]
            self._segment.append([*map(encode, new), *records])
            self._ensembles |= ensembles.keys()
        except OSError as why:
            self._warn(why)
            return why
        return None

    def _turn_over(self) -> None:
        """Close a segment that is full, or of an hour that is over, and have it rolled over."""
        hour, segment = hour_of(time.time()), self._segment
        if hour != self._hour or (segment is not None and segment.size > SEGMENT_BYTES):
            self._segment, self._hour = None, hour
            self._roll_over.request()
            if segment is not None:
                segment.close()
        self._roll_over.go_on()

    def _warn(self, why: OSError) -> None:
        if time.monotonic() > self._logged + LOG_EVERY:
            self._logged = time.monotonic()
            log.warning("impressions can't be logged", extra={"why": str(why)})


def _settle(done: asyncio.Future[None], why: OSError | None) -> None:
    if done.done():  # or whoever waited gave up
        return
    if why is None:
        done.set_result(None)
    else:
        text = f"the log of impressions can't be written ({why.strerror}): free some space, then send again"
        done.set_exception(LogError(text))
