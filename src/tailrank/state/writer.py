"""Group commit: what is submitted at the same time reaches the disk together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import Any, Final, Generic, NamedTuple, TypeVar

from tailrank.state.base import StateError

MAX_GROUP_EVENTS: Final = 4_096
"""Events in one group, unless a single job brings more."""

W = TypeVar("W")
T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[Any], Any]
    size: int
    result: asyncio.Future[Any]


class GroupWriter(Generic[W]):
    """One thread that does the jobs of many coroutines in shared transactions.

    Parameters
    ----------
    commit
        Does jobs in one transaction, all or none, and returns their results. If it raises, each job of the
        group gets a transaction of its own: one that can't be done doesn't keep the others from it.
    idle, every
        What else this thread does between groups, and every how many seconds; None for never.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Callable[[W], Any]]], list[Any]],
        idle: Callable[[], None],
        every: float | None,
    ) -> None:
        self._commit, self._idle, self._every = commit, idle, every
        self._jobs: deque[_Job] = deque()
        self._awake, self._closed = Condition(), False
        self._thread = Thread(target=self._run, name="tailrank state writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[W], T], size: int = 1) -> T:
        """Do a job that counts as `size` events; returns when it is durable."""
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._awake:
            if self._closed:
                raise StateError("the state is closed: open it again")
            self._jobs.append(_Job(work, size, result))
            self._awake.notify()
        return await result

    async def close(self) -> None:
        """Finish what was submitted, and end."""
        with self._awake:
            self._closed = True
            self._awake.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        idled = time.monotonic()
        while (group := self._next_group(idled)) is not None:
            if group:
                self._finish(group)
            if self._every is not None and time.monotonic() >= idled + self._every:
                self._idle()
                idled = time.monotonic()

    def _next_group(self, idled: float) -> list[_Job] | None:
        """Wait for jobs; an empty group if idle work is due, None at the end."""
        with self._awake:
            wait = None if self._every is None else max(0.0, idled + self._every - time.monotonic())
            self._awake.wait_for(lambda: self._jobs or self._closed, wait)
            group: list[_Job] = []
            size = 0
            while self._jobs and (not group or size + self._jobs[0].size <= MAX_GROUP_EVENTS):
                group.append(self._jobs.popleft())
                size += group[-1].size
            return None if self._closed and not group else group

    def _finish(self, group: list[_Job]) -> None:
        """Do a group's jobs, and hand over the results to the event loop, all at once."""
        try:
            results: list[Any] = self._commit([job.work for job in group])
        except Exception as error:  # noqa: BLE001 -- whoever waits gets it, and this thread goes on
            if len(group) > 1:
                for job in group:
                    self._finish([job])
                return
            results = [error]
        settled = list(zip([job.result for job in group], results, strict=True))
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            settled[0][0].get_loop().call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in settled:
        if not future.done():  # or whoever waited gave up
            settle = future.set_exception if isinstance(result, Exception) else future.set_result
            settle(result)
