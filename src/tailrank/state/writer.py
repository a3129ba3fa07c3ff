"""Group commit: what is asked for at the same time reaches the disk together."""

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

MOST: Final = 4_096
"""Events in one group, unless a single call brings more."""

W = TypeVar("W")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[W]):
    work: Callable[[W], Any]
    size: int
    done: asyncio.Future[Any]


class JobError(Exception):
    """One job of a group can't be done; the others can."""

    def __init__(self, place: int, error: StateError) -> None:
        super().__init__(str(error))
        self.place, self.error = place, error


class GroupWriter(Generic[W]):
    """One thread that does the jobs of many coroutines in shared transactions.

    Parameters
    ----------
    commit
        Does jobs in one transaction, all or none, and gives their results. It raises `JobError` where one of
        them can't be done, and `StateError` where none can.
    idle
        What else this thread does between groups, every so many seconds; None for nothing.
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

    async def do(self, work: Callable[[W], T], size: int = 1) -> T:
        """Do a job that counts as so many events; returns when it is durable."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._awake:
            if self._closed:
                raise StateError("the state is closed: open it again")
            self._jobs.append(_Job(work, size, done))
            self._awake.notify()
        return await done

    async def close(self) -> None:
        """Finish what was asked for, and end."""
        with self._awake:
            self._closed = True
            self._awake.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        due = self._due()
        while (group := self._next(due)) is not None:
            self._finish(group)
            if self._idle is not None and time.monotonic() >= due:
                self._idle[0]()
                due = self._due()

    def _due(self) -> float:
        return math.inf if self._idle is None else time.monotonic() + self._idle[1]

    def _next(self, due: float) -> list[_Job[W]] | None:
        """Wait for jobs; none where something else is due, None at the end."""
        with self._awake:
            wait = None if due == math.inf else max(0.0, due - time.monotonic())
            self._awake.wait_for(lambda: self._jobs or self._closed, wait)
            group: list[_Job[W]] = []
            size = 0
            while self._jobs and (not group or size + self._jobs[0].size <= MOST):
                group.append(self._jobs.popleft())
                size += group[-1].size
            return None if self._closed and not group else group

    def _finish(self, group: list[_Job[W]]) -> None:
        settled: list[tuple[asyncio.Future[Any], Any]] = []
        while group:
            try:
                results: list[Any] = self._commit([job.work for job in group])
            except JobError as failed:
                settled.append((group.pop(failed.place).done, failed.error))
                continue
            except Exception as error:  # noqa: BLE001 -- whoever waits is told, and this thread goes on
                results = [error] * len(group)
            settled += zip([job.done for job in group], results, strict=True)
            break
        _tell(settled)


def _tell(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for done, result in settled:
        by_loop.setdefault(done.get_loop(), []).append((done, result))
    for loop, those in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            loop.call_soon_threadsafe(_settle, those)


def _settle(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, result in settled:
        if done.done():  # whoever waited has gone
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
