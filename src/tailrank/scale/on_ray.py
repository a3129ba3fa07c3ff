"""Ranks parts of lists as tasks of Ray, which schedules them and repeats those whose worker died."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tailrank.errors import RequestError, TailrankError, first_line, needs
from tailrank.ranking.part_ranking import PartRanking
from tailrank.ranking.user_lists import Part

SCHEME: Final = "ray"
AHEAD: Final = 2
"""Tasks for each processor that are handed over at once: none waits, and few parts fill the memory."""


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
    if where != SCHEME and not where.startswith(f"{SCHEME}://"):
        raise RequestError(f"--on {where}: give `ray`, or `ray://HOST:PORT` of a cluster")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray tells its makers what runs
    with needs("--on ray", "ray"):
        import ray
    here: dict[str, Any] = {"address": "local", "include_dashboard": False}
    try:
        ray.init(
            **(here if where == SCHEME else {"address": where}), log_to_driver=False, logging_level="error"
        )
    except (ConnectionError, ValueError) as why:
        raise RequestError(
            f"--on {where}: can't be reached ({first_line(why)}): is a cluster there?"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def write_parts(ray: Any, how: PartRanking, parts: Iterable[Part]) -> Iterator[int]:
    """Write parts as `PartRanking.write_all` does, in any order; gives how many lists each holds.

    A part whose worker died is ranked again, by Ray's own rule: three times more.

    Raises
    ------
    RequestError
        If that didn't help.
    TailrankError
        As `PartRanking.write` does.
    """
    task, shared = ray.remote(PartRanking.write), ray.put(how)
    most, left, running = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))), iter(parts), list[Any]()
    try:
        while True:
            running += [task.remote(shared, part) for _, part in zip(range(most - len(running)), left)]  # noqa: B905
            if not running:
                return
            [done], running = ray.wait(running)
            yield ray.get(done)
    except ray.exceptions.RayTaskError as failed:
        if isinstance(failed.cause, TailrankError):
            raise failed.cause from None
        raise
    except ray.exceptions.RayError as why:
        raise RequestError(
            f"--on ray: a worker died several times ({first_line(why)}): if it lacked memory, give a smaller "
            "--part; the same command goes on where it was"
        ) from None
