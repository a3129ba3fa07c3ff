"""`Ranker`: rankings by the model that serves and by what is stored of users, or the old order and why."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from tailrank import api
from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.records import ShownRecord
from tailrank.ranking.request import Ranking, Request
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.translation import NO_EVENTS, check_times, to_items, to_request
from tailrank.state.base import State, StateError

SHOWN: Final = 10
"""Ranks that count as shown."""

SLOWNESS: Final = 0.05
"""How quickly the expected time of a ranking follows the measured one."""

LOG_EVERY: Final = 1.0
"""Seconds between two warnings in the log that the state can't be reached."""

log = logging.getLogger("tailrank.server")


class Ranker:
    """Ranks for users, and degrades rather than fail.

    Parameters
    ----------
    models
        Gives the model that serves.
    state
        What is remembered of users.
    metrics
        Where rankings are counted.
    impressions
        Where they are logged; None if nowhere.
    """

    def __init__(
        self, models: ModelManager, state: State, metrics: Metrics, impressions: ImpressionLog | None = None
    ) -> None:
        self.models, self.state, self.metrics, self.impressions = models, state, metrics, impressions
        self._expected = self._logged = 0.0

    def rank_at_once(self, request: api.RankRequest, arrived: float) -> api.Ranking | None:
        """Rank, or degrade, unless something has to be waited for: then None.

        Parameters
        ----------
        request
            What is asked.
        arrived
            When, on the clock of `time.perf_counter`.

        Raises
        ------
        RequestError
            On what the sender can mend.
        """
        self._check(request)
        try:
            history = self._history_at_once(request)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        return None if history is None else self._ranked(request, arrived, history)

    async def rank(self, request: api.RankRequest, arrived: float) -> api.Ranking:
        """Rank, or degrade; as `rank_at_once`, which it takes the parameters and errors of."""
        self._check(request)
        try:
            history = await self._history(request, arrived)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        return self._ranked(request, arrived, history)

    async def history(self, user: str) -> History:
        """Read a user's history, and catch up with items that changed."""
        found = await self.state.read(user)
        if found.items_version != self.models.served.version:
            await self.models.catch_up()
        return found.history

    def _check(self, request: api.RankRequest) -> None:
        check_times(request.history, self.models.served.reranker.catalogue.clock)

    def _history_at_once(self, request: api.RankRequest) -> History | None:
        """Read the history that the request names; None if that, or a changed item, has to be waited for."""
        user = request.user or request.session
        if user is None:
            return NO_EVENTS
        found = self.state.read_at_once(user)
        if found is None or found.items_version != self.models.served.version:
            return None
        return found.history

    async def _history(self, request: api.RankRequest, arrived: float) -> History:
        """Read the history that the request names, within its deadline."""
        user = request.user or request.session
        if user is None:
            return NO_EVENTS
        if request.deadline_ms is None:
            return await self.history(user)
        async with asyncio.timeout(request.deadline_ms / 1e3 - (time.perf_counter() - arrived)):
            return await self.history(user)

    def _ranked(self, request: api.RankRequest, arrived: float, history: History) -> api.Ranking:
        """Rank for a history; a list in its old order is better than none."""
        served, started = self.models.served, time.perf_counter()
        if request.deadline_ms and started - arrived + self._expected > request.deadline_ms / 1e3:
            # Or one slow ranking could keep every later one from being tried.
            self._expected *= 1 - SLOWNESS
            return self._degraded(request, arrived, TimeoutError())
        try:
            asked = to_request(request, history, keep_signals=self.impressions is not None)
            ranking = served.reranker.rank(asked)
        except Exception as why:  # noqa: BLE001 - it becomes the reason to degrade
            return self._degraded(request, arrived, why)
        self._expected += SLOWNESS * (time.perf_counter() - started - self._expected)
        self._expose(served.head, ranking.item_ids[:SHOWN])
        self._log(request, asked, ranking)
        is_unknown = (request.user or request.session) is not None and not history.items
        return _answer(ranking, served.name, arrived, is_unknown=is_unknown)

    def _degraded(self, request: api.RankRequest, arrived: float, why: Exception) -> api.Ranking:
        """Give candidates back as they came, and say why."""
        reason: api.DegradedReason
        if isinstance(why, TimeoutError):
            reason = "deadline"
        elif isinstance(why, StateError):
            reason = "state"
            if arrived > self._logged + LOG_EVERY:
                self._logged = arrived
                log.warning("state out of reach", extra={"why": str(why)})
        elif isinstance(why, RequestError):
            raise why
        else:
            reason = "error"
            log.error("ranking failed", exc_info=why)
        self.metrics.degraded.labels(reason).inc()
        asked = to_request(request, NO_EVENTS)
        ranking = asked.upstream_ranking()
        self._log(request, asked, ranking, reason)
        return _answer(ranking, self.models.served.name, arrived, reason)

    def _log(
        self, request: api.RankRequest, asked: Request, ranking: Ranking, degraded: str | None = None
    ) -> None:
        """Log a ranking that is about to be shown."""
        if self.impressions is None or not ranking.item_ids:
            return
        served, policy = self.models.served, asked.policy
        steps = served.reranker.policy if policy is None else policy
        self.impressions.add(
            ShownRecord.from_ranking(
                ranking,
                user_id=request.user or request.session or "",
                time=time.time(),
                model=served.name,
                policy=() if degraded else tuple(step.name for step in steps),
                upstream=cast("Sequence[float] | None", asked.scores),
                degraded=degraded or "",
            )
        )

    def _expose(self, head: frozenset[str], shown: Sequence[str]) -> None:
        """Count how many of the items shown are of the head, and how many of the tail."""
        of_head = len(head.intersection(shown))
        self.metrics.head.inc(of_head)
        self.metrics.tail.inc(len(shown) - of_head)


def _answer(
    ranking: Ranking,
    model: str,
    arrived: float,
    reason: api.DegradedReason | None = None,
    is_unknown: bool = False,
) -> api.Ranking:
    return api.Ranking(
        ranking.ranking_id,
        model,
        1e3 * (time.perf_counter() - arrived),
        reason is not None,
        to_items(ranking),
        reason or msgspec.UNSET,
        ranking.unknown_history or msgspec.UNSET,
        ranking.history_length,
        is_unknown or msgspec.UNSET,
    )
