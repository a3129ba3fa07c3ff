"""Requests that wait for the workers of a server: a simulation, event by event, of how long answers take.

Requests go over connections, each of which belongs to a worker; they take turns. A worker takes what has come
in one go, as the event loop of a server does, and answers one request after the other; after a rest it is
slower, as what it needs is no longer in the caches. Workers need cores, which may be fewer; then one that has
had its slice of time lets others have theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import simpy

from tailrank.arrays import Bools, Doubles
from tailrank.server.app import LINE

QUEUE_SECONDS: Final = 0.012
"""A request that waited longer is refused if there is a long line: the default of `tailrank serve`."""

SLICE: Final = 0.0014
"""Of Linux on two cores, in seconds: 0.7 ms, times one more than the binary logarithm of the cores
(kernel/sched/fair.c)."""

Steps: TypeAlias = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Rest:
    """How much slower work is after a worker did nothing for a while, each of shape (rests,).

    Attributes
    ----------
    seconds
        Lengths of rests, ascending.
    slower
        How many times as long the next request takes.
    """

    seconds: tuple[float, ...] = (0.0,)
    slower: tuple[float, ...] = (1.0,)

    def after(self, seconds: float) -> float:
        """Give how many times as long a request takes after a rest.

        Examples
        --------
        >>> Rest((0.0, 0.002), (1.0, 1.5)).after(0.001)
        1.25
        """
        return float(np.interp(seconds, self.seconds, self.slower))


@dataclass(frozen=True)
class Machine:
    """What requests come to; times are in seconds.

    Attributes
    ----------
    workers, cores
        How many of each.
    lines
        Connections to each worker.
    wake
        From when there is something to do until a worker that rests begins.
    slice
        Time on a core after which others that wait for one have their turn.
    refusal
        Time of the processor that a refusal takes.
    client
        Time of the processor for sending a request, and for reading an answer, by one process that needs
        these cores, too; 0: clients are elsewhere.
    rest
        What a worker's rest costs.
    """

    workers: int
    cores: int
    lines: int = 64
    wake: float = 0.0
    slice: float = SLICE
    refusal: float = 0.0
    client: float = 0.0
    rest: Rest = Rest()


@dataclass(frozen=True)
class Load:
    """Requests in the order in which they come, each of shape (requests,).

    Attributes
    ----------
    due
        When each is sent, in seconds, ascending.
    work
        Time of the processor that each takes, in seconds.
    """

    due: Doubles
    work: Doubles


@dataclass(frozen=True)
class Loss:
    """Workers that end at once, such as those of a machine that breaks.

    Attributes
    ----------
    workers
        The first so many.
    at
        When, in seconds.
    noticed
        From then until nothing is sent to them any more, in seconds.
    retry
        After so many seconds without an answer, a request is sent again, to another worker.
    """

    workers: int
    at: float
    noticed: float
    retry: float


@dataclass(frozen=True)
class Waited:
    """What came of each request, shape (requests,).

    Attributes
    ----------
    ms
        From when it was due until its answer was read.
    refused
        Whether it was refused for having waited.
    seconds
        From the first request that was due to the last answer.
    """

    ms: Doubles
    refused: Bools
    seconds: float


def simulate(machine: Machine, load: Load, loss: Loss | None = None) -> Waited:
    """Let requests come to a machine, and wait for all answers."""
    return _Simulation(machine, load, loss).run()


@dataclass(eq=False)
class _Process:
    """One thread of work on one of the cores, with a line before it."""

    it: _Simulation
    line: deque[int] = field(default_factory=deque)
    lost: bool = False

    def __post_init__(self) -> None:
        self._news = self.it.env.event()
        self.it.env.process(self._run())

    def add(self, job: int) -> None:
        """Join the line."""
        self.line.append(job)
        if not self._news.triggered:
            self._news.succeed()

    def _run(self) -> Steps:
        env, machine = self.it.env, self.it.machine
        while True:
            yield self._news
            yield env.timeout(machine.wake)
            self._core = self.it.cores.request()
            yield self._core
            self._since = env.now
            while self.line and not self.lost:
                yield from self._turn()
            self.it.cores.release(self._core)
            self._news = env.event()
            if self.line and not self.lost:
                self._news.succeed()

    def _compute(self, seconds: float) -> Steps:
        """Work for so long; then let others have the core if the slice is over."""
        env, cores = self.it.env, self.it.cores
        yield env.timeout(seconds)
        if cores.queue and env.now - self._since >= self.it.machine.slice:
            cores.release(self._core)
            self._core = cores.request()
            yield self._core
            self._since = env.now

    def _turn(self) -> Steps:
        raise NotImplementedError


class _Worker(_Process):
    """Answers requests."""

    worked = -np.inf
    """When it did so last."""

    def _turn(self) -> Steps:
        it = self.it
        batch, began = list(self.line), it.env.now
        self.line.clear()
        for ahead, request in enumerate(batch):
            refused = ahead >= LINE and it.env.now - began > QUEUE_SECONDS
            it.refused[request] = refused
            work = it.machine.refusal if refused else it.work[request]
            yield from self._compute(work * it.machine.rest.after(it.env.now - self.worked))
            self.worked = it.env.now
            if self.lost:
                it.send_again(batch[ahead:])
                return
            it.answer(request)


class _Client(_Process):
    """Sends requests, and reads answers: `request`, and `~request` for its answer."""

    def _turn(self) -> Steps:
        job = self.line.popleft()
        yield from self._compute(self.it.machine.client)
        if job >= 0:
            self.it.send(job)
        else:
            self.it.finish(~job)


class _Simulation:
    def __init__(self, machine: Machine, load: Load, loss: Loss | None) -> None:
        self.machine, self.loss = machine, loss
        self.env = simpy.Environment()
        self.cores = simpy.Resource(self.env, machine.cores)
        self.due, self.work = load.due.tolist(), load.work.tolist()
        n = len(self.due)
        self.ended, self.refused, self.left = np.zeros(n), np.zeros(n, bool), n
        self.done = self.env.event()
        self.workers = [_Worker(self) for _ in range(machine.workers)]
        self.client = _Client(self) if machine.client else None
        self.idle = deque(self.workers * machine.lines)
        self.backlog, self.on = deque[int](), dict[int, _Worker]()

    def run(self) -> Waited:
        self.env.process(self._arrivals())
        if self.loss:
            self.env.process(self._lose(self.loss))
        self.env.run(self.done)
        due = np.array(self.due)
        return Waited(1e3 * (self.ended - due), self.refused, float(self.ended.max() - due[0]))

    def _arrivals(self) -> Steps:
        for request, due in enumerate(self.due):
            yield self.env.timeout(due - self.env.now)
            if self.client:
                self.client.add(request)
            else:
                self.send(request)

    def send(self, request: int) -> None:
        """Send a request on the next connection, once one is free."""
        while self.idle and self.idle[0].lost and self._is_noticed():
            self.idle.popleft()
        if not self.idle:
            self.backlog.append(request)
            return
        worker = self.on[request] = self.idle.popleft()
        if worker.lost:
            self.send_again([request])
        else:
            worker.add(request)

    def _is_noticed(self) -> bool:
        return self.loss is not None and self.env.now >= self.loss.at + self.loss.noticed

    def send_again(self, requests: Sequence[int]) -> None:
        """Send requests on other connections, after the time in which no answer came."""
        self.env.process(self._retry(requests))

    def _retry(self, requests: Sequence[int]) -> Steps:
        yield self.env.timeout(self.loss.retry if self.loss else 0.0)
        for request in requests:
            self.send(request)

    def _lose(self, loss: Loss) -> Steps:
        yield self.env.timeout(loss.at)
        for worker in self.workers[: loss.workers]:
            worker.lost = True
            self.send_again(list(worker.line))
            worker.line.clear()

    def answer(self, request: int) -> None:
        """Send an answer back."""
        if self.client:
            self.client.add(~request)
        else:
            self.finish(request)

    def finish(self, request: int) -> None:
        """Note when an answer was read; its connection is free again."""
        self.ended[request] = self.env.now
        self.idle.append(self.on.pop(request))
        self.left -= 1
        if self.backlog:
            self.send(self.backlog.popleft())
        if not self.left:
            self.done.succeed()
