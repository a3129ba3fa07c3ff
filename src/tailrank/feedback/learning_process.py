"""Learns from a log, in a process beside the server: `python -m tailrank.feedback.learning_process FOLDER`.

What serves is read from standard input, an `Order` a line; what was done is written to standard output, a
`Report` a line. It ends as soon as its input does, so with its server, whatever ends that. It may be ended
at any moment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Final, Self, TypeVar, cast

import msgspec
import safetensors.numpy
from msgspec import Struct

from tailrank.bounds import latest_plausible_time
from tailrank.errors import ModelError
from tailrank.feedback.alerts import Alert
from tailrank.feedback.guard import Decision
from tailrank.feedback.hand_over import KIND as HANDED
from tailrank.feedback.hand_over import HandOver, HandOverNote
from tailrank.feedback.learner import KIND, Learner, LearningNote
from tailrank.feedback.log_reader import LogReader, log_id
from tailrank.feedback.open_lists import OPEN_SECONDS
from tailrank.feedback.roll_over import NICENESS
from tailrank.feedback.segments import HourlySegments
from tailrank.feedback.watcher import Watcher
from tailrank.ranking.arrays_file import read_arrays
from tailrank.ranking.fusion import Fusion
from tailrank.signals.stored import StoredArrays
from tailrank.state.base import State, StateError
from tailrank.state.open import open_state

T = TypeVar("T")

PAUSE: Final = 0.5
"""Seconds after which the log is read on."""


class Order(Struct, frozen=True):
    """What serves: the location of the state, and the name, signals and weights of the model."""

    state: str
    model: str
    signals: tuple[str, ...]
    weights: bytes

    @classmethod
    def of(cls, state: str, model: str, offline: Fusion) -> Self:
        """Tell of a model whose weights are those of training."""
        return cls(state, model, offline.signals, safetensors.numpy.save(dict(offline.arrays())))

    @property
    def offline(self) -> Fusion:
        """The weights."""
        return Fusion.from_arrays(self.signals, StoredArrays(read_arrays(self.weights)))


class Report(Struct, frozen=True):
    """What was done since the last one.

    Attributes
    ----------
    learned, unmatched
        Events, as `Learner` counts them; not unmatched are those that others learn or may still find.
    lag
        Seconds since all that was logged was learned.
    decisions
        Of the guard: each as a word and as a sentence.
    trouble
        What went wrong.
    alerts
        Those that were opened or closed.
    """

    learned: int
    unmatched: int
    lag: float
    decisions: Sequence[tuple[str, str]] = ()
    trouble: Sequence[str] = ()
    alerts: Sequence[Alert] = ()


class LearningProcess:
    """Reads on, watches and learns, and notes what was learned before it reads on again.

    Parameters
    ----------
    folder
        Of the log.
    state
        Where the note is.
    report
        Is told what was done.
    """

    def __init__(self, folder: Path, state: State, report: Callable[[Report], None]) -> None:
        self._folder, self._state, self._report = folder, state, report
        self._log, self._up_to_date = log_id(folder), time.time()
        self._told, self._heard = (0, 0), 0.0
        self._received = HourlySegments(folder)
        self._watcher: Watcher | None = None

    async def begin(self, model: str, offline: Fusion) -> None:
        """Go on with what was learned of a model; begin with what the log still holds if nothing was."""
        if self._watcher is not None:
            # Up to where the log was read, so that what was watched isn't watched again.
            await self._put_handed(time.time())
            await self._put_note()
        notes = await self._insist(self._state.notes, KIND)
        try:
            note = LearningNote.decoded(notes[self._log]) if self._log in notes else None
            self._learner = Learner.resumed(model, offline, note, self._left_out)
        except ModelError as why:
            note, self._learner = None, Learner.resumed(model, offline, None, self._left_out)
            self._learner.trouble.append(f"{why}: learning begins anew")
        self._reader, self._told = LogReader(self._folder, note.position if note else None), (0, 0)
        before = list(self._reader.parts_before())
        if self._watcher is None:
            self._watcher = await self._insist(Watcher.start, self._folder, self._log, self._state, before)
        self._learner.remember(before)
        notes = await self._insist(self._state.notes, HANDED)
        handed = HandOverNote.decoded(notes.get(self._log, b""))
        self._hand_over = HandOver(self._log, self._learner, self._received, handed)
        self._hand_over.hear(notes, time.time())
        await self._put_note()

    @property
    def is_ahead(self) -> bool:
        """Whether the clock was ahead when something was learned, and isn't any more."""
        return bool(self._learner.guard.online.sums.latest.max() > latest_plausible_time())

    async def go_on(self) -> bool:
        """Learn what was logged since; returns whether there was anything."""
        began, learner = time.time(), self._learner
        has_heard = await self._hear(began)
        parts = self._reader.read()
        watcher = cast("Watcher", self._watcher)
        watcher.take(parts)
        decisions = learner.learn(parts)
        has_handed = self._hand_over.add(began)
        self._hand_over.erase(parts)
        if has_heard or has_handed:
            await self._put_handed(began)
        if has_handed or learner.learned > self._told[0]:
            await self._put_note()
        if not parts:
            self._up_to_date = began
        learner.lists.close(began - OPEN_SECONDS)
        self._reader.release(learner.lists.segments)
        for decision in decisions:
            watcher.watch.decided(decision, began)
        self._say(decisions, await self._insist(watcher.go_on, began))
        return bool(parts)

    async def _hear(self, now: float) -> bool:
        """Ask what other logs hand over, before this one is read, unless that was just done."""
        is_due = not 0 <= now - self._heard <= PAUSE  # or the clock was set back
        if is_due:
            self._heard = now
            notes = await self._insist(self._state.notes, HANDED)
            for log in self._hand_over.hear(notes, now):
                await self._insist(self._state.put_note, HANDED, log, b"")
        return is_due

    def _left_out(self, user_id: str) -> bool:
        return self._watcher is not None and self._watcher.watch.left_out(user_id)

    async def _put_note(self) -> None:
        note = msgspec.msgpack.encode(self._learner.note(self._reader.position))
        await self._insist(self._state.put_note, KIND, self._log, note)

    async def _put_handed(self, now: float) -> None:
        note = self._hand_over.go_on(now, is_behind=self._reader.is_behind)
        if note is not None:
            await self._insist(self._state.put_note, HANDED, self._log, msgspec.msgpack.encode(note))

    async def _insist(self, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Call the state until it can be reached; the log keeps what comes meanwhile."""
        while True:
            try:
                return await call(*arguments)
            except StateError as why:
                self._report(Report(0, 0, time.time() - self._up_to_date, [], [str(why)]))
                await asyncio.sleep(PAUSE)

    def _say(self, decided: Sequence[Decision], alerts: Sequence[Alert]) -> None:
        learner, trouble = self._learner, self._reader.trouble + self._learner.trouble
        counts = learner.learned, max(self._hand_over.unmatched, self._told[1])
        learned, unmatched = (now - before for now, before in zip(counts, self._told, strict=True))
        self._told, self._reader.trouble, learner.trouble = counts, [], []
        lag, said = time.time() - self._up_to_date, [(one.action, str(one)) for one in decided]
        self._report(Report(learned, unmatched, lag, said, trouble, alerts))


async def run(folder: Path, orders: deque[Order]) -> None:
    """Learn of what the latest order names, for ever."""
    model, process = "", None
    while True:
        while not orders:
            await asyncio.sleep(PAUSE / 10)
        order = orders[-1]
        if process is None:
            try:
                process = LearningProcess(folder, open_state(order.state), report)
            except StateError as why:
                report(Report(0, 0, 0.0, [], [str(why)]))
        elif order.model != model or process.is_ahead:
            await process.begin(order.model, order.offline)
            model = order.model
        elif await process.go_on():
            continue
        await asyncio.sleep(PAUSE)


def report(what: Report) -> None:
    """Write a report."""
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def listen(orders: deque[Order]) -> None:
    """Take orders, and end the process with them."""
    # Without a buffer, whose lock would be in the way when the process ends.
    with open(sys.stdin.fileno(), "rb", buffering=0) as lines:
        for line in lines:
            orders.append(msgspec.json.decode(line, type=Order))
    os._exit(0)


if __name__ == "__main__":
    os.nice(NICENESS)
    for stop in (signal.SIGINT, signal.SIGTERM):  # which also go to the server, that ends this
        signal.signal(stop, signal.SIG_IGN)
    latest = deque[Order](maxlen=1)
    Thread(target=listen, args=(latest,), daemon=True).start()
    asyncio.run(run(Path(sys.argv[1]), latest))
