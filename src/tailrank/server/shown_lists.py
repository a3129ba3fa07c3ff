"""`ShownLists`: what users were shown, remembered beside the rankings for the step `already-shown`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from tailrank import api
from tailrank.policy.base import Policy
from tailrank.policy.shown import AlreadyShown
from tailrank.server.metrics import Metrics
from tailrank.state.base import ShownList, State, StateError

WAITING: Final = 10_000
"""Lists that may wait for the state; of more, the oldest are lost."""

TOGETHER: Final = 0.1
"""Seconds for which lists are gathered, to be stored together: one sync of the disk and not one a ranking."""

ELSEWHERE: Final = 3 * TOGETHER
"""Seconds after which other workers have stored what they had gathered, unless the state is slow."""

log = logging.getLogger("tailrank.server")


class ShownLists:
    """Stores what a step goes by, after the answer that it was part of.

    Parameters
    ----------
    state
        Where it is stored.
    metrics
        Where what couldn't be stored is counted.
    """

    def __init__(self, state: State, metrics: Metrics) -> None:
        self._state, self._lost = state, metrics.shown_lost
        self._waiting = deque[ShownList]()
        self._writing: asyncio.Task[None] | None = None
        self._used = False

    def note(self, request: api.RankRequest, item_ids: Sequence[str], steps: Iterable[Policy]) -> None:
        """Remember a list that is about to be shown, if one of its steps goes by that."""
        user = request.user or request.session
        places = max((step.places for step in steps if isinstance(step, AlreadyShown)), default=0)
        if user is None or request.shown is not None or not item_ids[:places]:
            return
        self._used = True
        self._waiting.append(ShownList(user, item_ids[:places], time.time()))
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self._lost.inc()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def written(self) -> None:
        """Wait until everything noted so far is stored or lost."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def written_everywhere(self) -> None:
        """Wait for the lists of other workers and machines, too, if lists are remembered at all."""
        if self._used:
            await asyncio.sleep(ELSEWHERE)
        await self.written()

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(TOGETHER)
            lists = list(self._waiting)
            self._waiting.clear()
            try:
                await self._state.add_shown(lists)
            except StateError as why:
                self._lost.inc(len(lists))
                log.warning("what was shown isn't remembered", extra={"why": str(why)})


def goes_by_shown(request: api.RankRequest, own: Iterable[Policy]) -> bool:
    """Say whether a step, of the request or one of these, goes by what the server remembers of showings."""
    if request.shown is not None:
        return False
    named = request.policy if isinstance(request.policy, list) else ()
    return any(isinstance(step, AlreadyShown) for step in own) or any(
        step.get("name") == AlreadyShown.name for step in named
    )
