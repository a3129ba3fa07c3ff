"""Ray: starting or reaching it, and what its failures mean; it schedules, and repeats what a worker lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from tailrank.errors import RequestError, TailrankError, first_line, needs

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

SCHEME: Final = "ray"
PORT: Final = 10_001
"""Of a Ray Client server, if none is named."""

ANSWER_SECONDS: Final = 10.0

AHEAD: Final = 2
"""Tasks for each processor that are handed over at once: none waits, and few parts fill the memory."""

TRIES: Final = 3
"""Times that work is done again whose worker died: Ray's own rule for tasks."""


def checked_place(where: str) -> str:
    """Give what names Ray or a cluster back, before anything takes long.

    Raises
    ------
    RequestError
        If it names neither, or nobody answers there.
    """
    if where == SCHEME:
        return where
    if not where.startswith(f"{SCHEME}://"):
        raise RequestError(f"--on {where}: give `ray`, or `ray://HOST:PORT` of a cluster")
    try:
        place = urlsplit(where)
        socket.create_connection((place.hostname or "", place.port or PORT), ANSWER_SECONDS).close()
    except (OSError, ValueError) as why:
        raise _unreachable(where, why) from None
    return where


def _unreachable(where: str, why: Exception) -> RequestError:
    return RequestError(f"--on {where}: can't be reached ({first_line(why)}): is a cluster there?")


@contextmanager
def ray_cluster(where: str) -> Iterator[Any]:
    """Start Ray on this machine, or reach a cluster, until the block ends; gives the module.

    Parameters
    ----------
    where
        `ray` or, for a cluster, `ray://HOST:PORT` of its Ray Client server.

    Raises
    ------
    RequestError
        If it says something else, Ray is missing, or the cluster can't be reached.
    """
    checked_place(where)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray tells its makers what runs
    with needs("--on ray", "ray"):
        import ray
    here: dict[str, Any] = {"address": "local", "include_dashboard": False}
    try:
        ray.init(
            **(here if where == SCHEME else {"address": where}), log_to_driver=False, logging_level="error"
        )
    except (ConnectionError, ValueError) as why:
        raise _unreachable(where, why) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def n_processors(ray: Any) -> int:
    """Count the processors of the cluster."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def worker_errors(ray: Any) -> Iterator[None]:
    """Turn what failed on a worker into what would have failed here.

    Raises
    ------
    TailrankError
        As the worker raised it.
    RequestError
        If workers died again and again.
    """
    try:
        yield
    except ray.exceptions.RayTaskError as failed:
        if isinstance(failed.cause, TailrankError):
            raise failed.cause from None
        raise
    except ray.exceptions.RayError as why:
        raise RequestError(
            f"--on ray: a worker died again and again ({first_line(why)}): if it lacked memory, give it less "
            "to do at once, in the same command"
        ) from None


def run_tasks(ray: Any, function: Callable[[S, T], R], shared: S, parts: Iterable[T]) -> Iterator[R]:
    """Call a function for each part, as a task of Ray.

    Parameters
    ----------
    ray
        What `ray_cluster` gives.
    function
        Called with `shared` and a part; again if its worker died.
    shared
        Sent to each machine once, and unpacked by each process once.
    parts
        Taken as they are needed.

    Yields
    ------
    R
        What the function gave for a part, in any order.

    Raises
    ------
    TailrankError
        As the function does.
    RequestError
        If `shared` can't be sent, or workers die again and again.
    """
    task = ray.remote(max_retries=TRIES)(_call)
    try:
        there = [ray.put((function, shared))]  # the task gets what is inside of a list as a reference
    except TypeError as why:
        raise RequestError(
            f"--on ray: it can't be sent to other processes ({first_line(why)}): leave --on out"
        ) from None
    most, left, running = AHEAD * n_processors(ray), iter(parts), list[Any]()
    with worker_errors(ray):
        while True:
            running += [task.remote(there, part) for _, part in zip(range(most - len(running)), left)]  # noqa: B905
            if not running:
                return
            [done], running = ray.wait(running)
            yield ray.get(done)


def _call(there: list[Any], part: Any) -> Any:
    function, shared = _unpacked(there[0])
    return function(shared, part)


@lru_cache(1)
def _unpacked(reference: Any) -> Any:
    import ray

    return ray.get(reference)
