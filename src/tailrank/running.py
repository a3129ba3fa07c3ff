"""Who does the parts of long work: this process, or others that are given the same function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from tailrank.reporting import Progress

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class Run(Protocol):
    """Calls a function for each part of some work, in any order and anywhere."""

    def __call__(self, function: Callable[[S, T], R], shared: S, parts: Iterable[T], /) -> Iterable[R]:
        """Call `function(shared, part)` for each part; gives what it gave."""
        ...


def run_here(function: Callable[[S, T], R], shared: S, parts: Iterable[T], /) -> Iterator[R]:
    """Do one part after the other in this process.

    Examples
    --------
    >>> list(run_here(pow, 2, [1, 2, 3]))
    [2, 4, 8]
    """
    return (function(shared, part) for part in parts)


def in_order(
    run: Run, function: Callable[[S, T], R], shared: S, parts: Sequence[T], progress: Progress, task: str
) -> list[R]:
    """Do all parts, and put what came of them in their order, so that it is the same wherever they ran.

    Parameters
    ----------
    run
        Who does them.
    function, shared, parts
        As for `Run`.
    progress, task
        Called with the number of parts that are done, under the name of the task.
    """
    found = dict[int, R]()
    progress(task, 0, len(parts))
    for number, result in run(_numbered, (function, shared), enumerate(parts)):
        found[number] = result
        progress(task, len(found), len(parts))
    return [found[number] for number in range(len(parts))]


def _numbered(what: tuple[Callable[[S, T], R], S], part: tuple[int, T]) -> tuple[int, R]:
    function, shared = what
    number, own = part
    return number, function(shared, own)
