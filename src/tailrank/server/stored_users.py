"""`StoredUsers`: what a ranking reads of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tailrank import api
from tailrank.data.histories import History
from tailrank.server.model_manager import ModelManager
from tailrank.server.shown_lists import goes_by_shown
from tailrank.server.translation import NO_EVENTS, NOTHING_SHOWN
from tailrank.stages import stage
from tailrank.state.base import State


class Stored(NamedTuple):
    """What is stored of a user: events and, if a policy goes by it, when items were shown."""

    history: History = NO_EVENTS
    shown: Mapping[str, Sequence[float]] = NOTHING_SHOWN


NOTHING_STORED: Final = Stored()


class StoredUsers:
    """Reads users, and catches up with items that changed meanwhile.

    Parameters
    ----------
    state
        What is remembered of users.
    managers
        Of all models that rank.
    goes_by_shown
        Whether policies may go by what users were shown.
    """

    def __init__(self, state: State, managers: Sequence[ModelManager], goes_by_shown: bool) -> None:
        self._state, self._managers, self._shown = state, managers, goes_by_shown

    async def history(self, user: str) -> History:
        """Read a user's history, and catch up with items that changed."""
        found = await self._state.read(user)
        for models in self._managers:
            if found.items_version != models.served.version:
                await models.catch_up()
        return found.history

    def at_once(self, request: api.RankRequest) -> Stored | None:
        """Read what the request needs; None if that, or a changed item, has to be waited for."""
        user = request.user or request.session
        if user is None:
            return NOTHING_STORED
        if self._goes_by_shown(request):
            return None
        with stage("state"):
            found = self._state.read_at_once(user)
        if found is None or any(found.items_version != each.served.version for each in self._managers):
            return None
        return Stored(found.history)

    async def stored(self, request: api.RankRequest) -> Stored:
        """Read what the request needs of its user."""
        user = request.user or request.session
        if user is None:
            return NOTHING_STORED
        with stage("state"):
            if not self._goes_by_shown(request):
                return Stored(await self.history(user))
            return Stored(*await asyncio.gather(self.history(user), self._state.shown(user)))

    def _goes_by_shown(self, request: api.RankRequest) -> bool:
        own = (step for each in self._managers for step in each.served.reranker.steps())
        return self._shown and goes_by_shown(request, own)
