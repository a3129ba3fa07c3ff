"""Changes of a registry in processes that are killed at a step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tailrank.ranking.registry import CURRENT, Registry
from tailrank.ranking.reranker import Reranker

KILLED: Final = 9

CHANGES: Final[dict[str, Callable[[Registry], object]]] = {
    "promote": lambda registry: registry.promote(registry.versions()[-1].name),
    "rollback": lambda registry: registry.rollback(),
    "add": lambda registry: registry.add(Reranker.load(registry.folder / CURRENT), {"n": 9}, keep=1),
}


def is_killed(folder: Path, change: str, step: int) -> bool:
    """Change a registry in a process that ends at a step; returns whether there were so many."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tailrank.ranking.registry"])
    process = context.Process(target=_run, args=(folder, change, step))
    process.start()
    process.join(120)
    assert process.exitcode in {0, KILLED}
    return process.exitcode == KILLED


def _run(folder: Path, change: str, step: int) -> None:
    left = step

    def stop(event: str, given: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and int(str(given[2])) & (os.O_WRONLY | os.O_RDWR)
        if (writes or event.startswith("os.")) and any(str(folder) in str(each) for each in given):
            left -= 1
            if left < 0:
                os._exit(KILLED)

    sys.addaudithook(stop)
    CHANGES[change](Registry(folder))
