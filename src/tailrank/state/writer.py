"""Group commit: what is submitted at the same time reaches the disk together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Final, Generic, TypeVar

from tailrank.state.base import StateError

MAX_GROUP_EVENTS: Final = 4_096
"""Events in one group, unless a single job brings more."""

W = TypeVar("W")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[W]):
    work: Callable[[W], Any]
    size: int
    result: asyncio.Future[Any]


class JobError(Exception):
    """One job of a group can't be done; the others can."""

    def __init__(self, index: int, error: StateError) -> None:
        super().__init__(str(error))
        self.index, self.error = index, error


class GroupWriter(Generic[W]):
    """One thread that does the jobs of many coroutines in shared transactions.

    Parameters
    ----------
    commit
        Does jobs in one transaction, all or none, and returns their results. It raises `JobError` if one of
        them can't be done, and `StateError` if none can.
    idle
        What else this thread does between groups, and every how many seconds; None for nothing.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Callable[[W], Any]]], list[Any]],
        idle: tuple[Callable[[], None], float] | None = None,
    ) -> None:
        self._commit, self._idle = commit, idle
        self._jobs: deque[_Job[W]] = deque()
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
        idle_at = self._next_idle()
        while (group := self._next_group(idle_at)) is not None:
            self._finish(group)
            if self._idle is not None and time.monotonic() >= idle_at:
                self._idle[0]()
                idle_at = self._next_idle()

    def _next_idle(self) -> float:
        return math.inf if self._idle is None else time.monotonic() + self._idle[1]

    def _next_group(self, idle_at: float) -> list[_Job[W]] | None:
        """Wait for jobs; an empty group if idle work is due, None at the end."""
        with self._awake:
            wait = None if idle_at == math.inf else max(0.0, idle_at - time.monotonic())
            self._awake.wait_for(lambda: self._jobs or self._closed, wait)
            group: list[_Job[W]] = []
            size = 0
            while self._jobs and (not group or size + self._jobs[0].size <= MAX_GROUP_EVENTS):
                group.append(self._jobs.popleft())
                size += group[-1].size
            return None if self._closed and not group else group

    def _finish(self, group: list[_Job[W]]) -> None:
        settled: list[tuple[asyncio.Future[Any], Any]] = []
        while group:
            try:
                results: list[Any] = self._commit([job.work for job in group])
            except JobError as failed:
                settled.append((group.pop(failed.index).result, failed.error))
                continue
            except Exception as error:  # noqa: BLE001 -- whoever waits gets it, and this thread goes on
                results = [error] * len(group)
            settled += zip([job.result for job in group], results, strict=True)
            break
        _hand_over(settled)


def _hand_over(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    """Settle futures, each in its own event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for future, result in settled:
        by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, of_loop in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(_settle, of_loop)


def _settle(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in settled:
        if future.done():  # whoever waited gave up
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
