"""Which past events an item owes its rank to, as a server tells it that others wait for."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from msgspec import UNSET, UnsetType

from tailrank import api
from tailrank.errors import RequestError
from tailrank.ranking.counterfactual import Counterfactual, counterfactual
from tailrank.ranking.reasons import titles_of, why_there
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

TRIES: Final = 100
"""Sets of events that are ranked without: all single ones of 50, and more."""


class Counterfactuals:
    """Looks for them in a thread, one at a time, so that rankings don't wait for it."""

    def __init__(self) -> None:
        self._looking = asyncio.Lock()

    async def of(
        self, body: api.RankRequest, asked: Request, reranker: Reranker
    ) -> api.Counterfactual | None:
        """Answer `RankRequest.counterfactual`; `asked` is what became of its body."""
        async with self._looking:
            return await asyncio.to_thread(_counterfactual, body, asked, reranker)


def _counterfactual(body: api.RankRequest, asked: Request, reranker: Reranker) -> api.Counterfactual | None:
    item, k = body.counterfactual, body.k
    if item is None or k is None:
        return None
    try:
        found = counterfactual(reranker, asked, item, k, tries=TRIES)
    except RequestError:  # it was ranked already, so only because the item isn't among the first k
        return None
    return None if found is None else _told(found, asked, reranker, body.explain)


def _told(
    found: Counterfactual, asked: Request, reranker: Reranker, language: bool | api.Language
) -> api.Counterfactual:
    items, types, times = asked.columns
    events = [
        api.HistoryEvent(items[at], types[at] or None, times[at] if math.isfinite(times[at]) else None)
        for at in found.events
    ]
    why: str | UnsetType = UNSET
    if not isinstance(language, bool):
        titles = titles_of(reranker.catalogue, [found.item_id, *found.event_items])
        why = why_there(found, titles, language)
    ranks = found.rank, found.rank_without
    return api.Counterfactual(found.item_id, found.k, *ranks, events, found.smallest, why)
