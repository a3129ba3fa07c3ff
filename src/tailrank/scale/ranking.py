"""Parts of many users' lists as tasks of Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tailrank.ranking.part_ranking import PartRanking
from tailrank.ranking.user_lists import Part
from tailrank.scale.on_ray import run_tasks


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
    return run_tasks(ray, PartRanking.write, how, parts)
