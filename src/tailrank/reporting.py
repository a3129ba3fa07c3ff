"""How long work says how far it is: a callback, and lines of text for those who have no bars to look at."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol, TextIO, TypeVar

FIRST: Final = 2.0
"""Seconds after which a task is worth a line."""

EVERY: Final = 10.0
"""Seconds between two lines."""


Batch = TypeVar("Batch", bound=Sized)


class Progress(Protocol):
    """Is told how far a task is; `tailrank.cli.progress` draws bars, `progress_lines` writes lines."""

    def __call__(self, task: str, done: int, total: int | None, note: str = "") -> None:
        """Note how far the task is.

        Parameters
        ----------
        task
            What is being done, such as `encoding`; one name is one task.
        done, total
            Steps done, and how many there are; None if that isn't known. A task ends with `done == total`.
        note
            What else is worth showing, such as the loss so far.
        """


def silent(task: str, done: int, total: int | None, note: str = "") -> None:
    """Show nothing."""


@contextmanager
def step(progress: Progress, task: str) -> Iterator[None]:
    """Tell of a task that can't say how far it is: only that it has begun, and that it is done."""
    progress(task, 0, None)
    yield
    progress(task, 1, 1)


def counted(batches: Iterable[Batch], progress: Progress, task: str, total: int) -> Iterator[Batch]:
    """Give batches one by one, and tell how much of all of them is done."""
    done = 0
    progress(task, done, total)
    for batch in batches:
        yield batch
        done += len(batch)
        progress(task, done, total)


def part(progress: Progress, start: int, end: int, whole: int) -> Progress:
    """Tell of a part of a task, from step `start` to `end` of `whole`, as if it were all one."""

    def tell(task: str, done: int, total: int | None, note: str = "") -> None:
        progress(task, start + (end - start) * done // (total or 1), whole, note)

    return tell


@contextmanager
def progress_lines(
    stream: TextIO | None = None, first: float = FIRST, every: float = EVERY
) -> Iterator[Progress]:
    """Write lines about what takes long: for log files and notebooks.

    Parameters
    ----------
    stream
        Where to; None means the error stream.
    first
        Seconds after which a task is told of.
    every
        Seconds between two lines. A task that takes longer also says when it is done.

    Yields
    ------
    Progress
        What library functions take as `progress`.
    """
    lines, over = _Lines(stream or sys.stderr, first, every), threading.Event()
    # Of its own, since a task that says nothing for minutes needs lines most.
    clock = threading.Thread(target=lines.watch, args=(over,), daemon=True)
    clock.start()
    try:
        yield lines
    finally:
        over.set()
        clock.join()


@dataclass
class _Task:
    """A task under way: when it began, and with how much of it done."""

    name: str
    began: float
    start: int
    done: int = 0
    total: int | None = None
    note: str = ""
    told: bool = False

    def line(self, now: float) -> str:
        """Say what is being done, how far it is and how long it takes."""
        lasted, new = now - self.began, self.done - self.start
        if self.done == self.total:
            count = f"{new:,} in " if new > 1 else ""
            return f"{self._title}: done, {count}{duration(lasted)}"
        if self.total is None:
            return f"{self._title}: {f'{self.done:,}, ' if self.done else ''}{duration(lasted)} so far"
        parts = [f"{self.done:,} of {self.total:,} ({self.done / self.total:.0%})"]
        if new and new >= lasted:
            parts.append(f"{new / lasted:,.0f}/s")
        left = f"about {duration(lasted / new * (self.total - self.done))} left" if new else ""
        return f"{self._title}: {', '.join([*parts, left or f'{duration(lasted)} so far'])}"

    @property
    def _title(self) -> str:
        return f"{self.name}: {self.note}" if self.note else self.name


class _Lines:
    """The tasks under way, the one that was heard of last at the end."""

    def __init__(self, stream: TextIO, first: float, every: float) -> None:
        self.stream, self.first, self.every = stream, first, every
        self.tasks: dict[str, _Task] = {}
        self.written = time.monotonic()
        self.lock = threading.Lock()

    def __call__(self, task: str, done: int, total: int | None, note: str = "") -> None:
        now = time.monotonic()
        with self.lock:
            found = self.tasks.pop(task, None)
            if found is None or done < found.done:
                found = _Task(task, now, done)
            found.done, found.total, found.note = done, total, note
            if done != total:
                self.tasks[task] = found
            elif now - found.began >= self.every:
                self._write(found, now)

    def watch(self, over: threading.Event) -> None:
        """Write a line whenever one is due."""
        while not over.wait(self.first / 4):
            now = time.monotonic()
            with self.lock:
                task = next(reversed(self.tasks.values()), None)
                if task is not None and now - task.began >= self.first and self._due(task, now):
                    self._write(task, now)

    def _due(self, task: _Task, now: float) -> bool:
        return now - self.written >= (self.every if task.told else self.first)

    def _write(self, task: _Task, now: float) -> None:
        task.told, self.written = True, now
        with suppress(OSError):  # whoever read the lines has gone; the work goes on
            print(task.line(now), file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """Write how long something takes.

    Examples
    --------
    >>> duration(0.4), duration(75), duration(7_300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 1:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
