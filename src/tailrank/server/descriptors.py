"""How many connections the limit of open files leaves room for."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Final

SPARE: Final = 2_304
"""Open files that are none of the connections kept: the state's, and connections that are about to end."""


def make_room(connections: int) -> None:
    """Raise the limit of open files for so many connections, as far as this process may."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then there is room for fewer
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for(connections: int) -> int:
    """Say how many connections there is room for, at most so many; of a low limit, half is spared."""
    if sys.platform == "win32":
        return connections
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, soft - min(SPARE, soft // 2))
