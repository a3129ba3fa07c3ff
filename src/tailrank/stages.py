"""Stages of a request, such as reading the state: told to what traces it, at next to no cost to others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Final, TypeAlias

Watch: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Takes the name of a stage; what it gives is entered when the stage begins, and left when it ends."""

WATCH: Final[ContextVar[Watch | None]] = ContextVar("WATCH", default=None)
"""What traces the request that is being answered; tasks and threads that it starts inherit it."""

_UNWATCHED: Final = nullcontext()


def stage(name: str) -> AbstractContextManager[object]:
    """Name what is done inside of the `with` that this is for.

    Examples
    --------
    >>> def shout(name):
    ...     print(name.upper())
    ...     return nullcontext()
    >>> before = WATCH.set(shout)
    >>> with stage("fusion"):
    ...     print("fused")
    FUSION
    fused
    >>> WATCH.reset(before)
    """
    watch = WATCH.get()
    return _UNWATCHED if watch is None else watch(name)
