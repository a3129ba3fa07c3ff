"""Parts of many users' lists as tasks of Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from tailrank.ranking.part_ranking import PartRanking
from tailrank.ranking.user_lists import Part
from tailrank.scale.on_ray import TRIES, n_processors, worker_errors

AHEAD: Final = 2
"""Tasks for each processor that are handed over at once: none waits, and few parts fill the memory."""


def write_parts(ray: Any, how: PartRanking, parts: Iterable[Part]) -> Iterator[int]:
    """Write parts as `PartRanking.write_all` does, in any order; gives how many lists each holds.

    Parameters
    ----------
    ray
        What `ray_cluster` gives.
    how, parts
        As of `PartRanking.write_all`. A part whose worker died is ranked again.

    Raises
    ------
    RequestError
        If that doesn't help.
    TailrankError
        As `PartRanking.write` does.
    """
    task, shared = ray.remote(max_retries=TRIES)(PartRanking.write), ray.put(how)
    most, left, running = AHEAD * n_processors(ray), iter(parts), list[Any]()
    with worker_errors(ray):
        while True:
            running += [task.remote(shared, part) for _, part in zip(range(most - len(running)), left)]  # noqa: B905
            if not running:
                return
            [done], running = ray.wait(running)
            yield ray.get(done)
