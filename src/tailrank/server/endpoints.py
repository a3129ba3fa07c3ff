"""What each endpoint does: bytes of a request in, an answer out, no HTTP but the status."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Final

from tailrank import api, api_texts
from tailrank.api_conversation import ConversationRequest
from tailrank.api_page import Prices, Story
from tailrank.errors import RequestError
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.policy.exploration import Exploration
from tailrank.server import metarank
from tailrank.server.basic_endpoints import BasicEndpoints
from tailrank.server.call import Call, encode
from tailrank.server.conversing import Conversing
from tailrank.server.decoding import Body
from tailrank.server.exchange import Answer
from tailrank.server.experiment import LiveExperiment
from tailrank.server.exposure import SharedExposure
from tailrank.server.inbox_endpoints import InboxEndpoints
from tailrank.server.item_rerank import by_index
from tailrank.server.live import LivePage
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.monitor_endpoints import MonitorEndpoints
from tailrank.server.operator_endpoints import OperatorEndpoints
from tailrank.server.page_endpoints import PageEndpoints
from tailrank.server.pages import page
from tailrank.server.ranker import Ranker
from tailrank.server.relevance import is_blank
from tailrank.server.served_tasks import ServedTasks
from tailrank.server.shown_rankings import ShownRankings
from tailrank.server.stored_endpoints import StoredEndpoints
from tailrank.server.task_endpoints import TaskEndpoints
from tailrank.server.text_rerank import rerank
from tailrank.server.translation import NO_EVENTS
from tailrank.stages import stage
from tailrank.state.base import State
from tailrank.tasks.monitor.inbox import Inbox

READY_SECONDS: Final = 1.0
"""For how long the answer of `/readyz` holds."""

RANK: Final[Body[api.RankRequest]] = Body(api.RankRequest)
CONVERSE: Final[Body[ConversationRequest]] = Body(ConversationRequest)
RERANK: Final[Body[api_texts.RerankRequest]] = Body(api_texts.RerankRequest)
RERANK_ITEMS: Final[Body[api_texts.ItemRerankRequest]] = Body(api_texts.ItemRerankRequest)


class Endpoints(
    BasicEndpoints,
    StoredEndpoints,
    OperatorEndpoints,
    PageEndpoints,
    TaskEndpoints,
    MonitorEndpoints,
    InboxEndpoints,
):
    """Everything that a client can request of one worker.

    Parameters
    ----------
    models
        Gives the model that serves.
    state
        What is remembered.
    metrics
        Where answers are counted.
    dashboard
        What the page of those who run this is told.
    log
        Where impressions and events are logged; None if nowhere.
    experiment
        Compares that model with another one; None if there is none.
    policies
        Version of the file of policies that rank for everybody; empty if there is none.
    exploration
        The last step of each policy; None explores nothing.
    exposure
        What learns from lists to hold a share for the tail; None if none is held.
    story, prices
        For the page at `/`, as `PageEndpoints` takes them.
    tasks
        What labels texts, answers customers, and shows what a monitor found.
    beside
        Gives the models that requests may name, by what they call them.
    inbox
        Keeps texts for the opinion monitor; None if there is none.
    """

    def __init__(
        self,
        models: ModelManager,
        state: State,
        metrics: Metrics,
        dashboard: LivePage,
        log: ImpressionLog | None = None,
        experiment: LiveExperiment | None = None,
        policies: str = "",
        exploration: Exploration | None = None,
        exposure: SharedExposure | None = None,
        story: Story | None = None,
        prices: Prices | None = None,
        tasks: ServedTasks | None = None,
        beside: Mapping[str, ModelManager] = MappingProxyType({}),
        inbox: Inbox | None = None,
    ) -> None:
        StoredEndpoints.__init__(self, models, state, metrics, log)
        OperatorEndpoints.__init__(self, models, state, dashboard, None if log is None else log.folder)
        PageEndpoints.__init__(self, models, story, prices, exploration, beside, policies)
        tasks = tasks or ServedTasks()
        TaskEndpoints.__init__(self, tasks, models.encoders)
        MonitorEndpoints.__init__(self, tasks.monitor)
        InboxEndpoints.__init__(self, inbox)
        self._has_tasks = bool(tasks)
        shown = ShownRankings(metrics, log, self.shown, exposure, policies)
        self.ranker = Ranker(models, state, shown, experiment, exploration)
        self._unlogged = Ranker(models, state, ShownRankings(metrics))
        unlogged = ShownRankings(metrics, policies=policies)
        self._rankers_beside = {name: Ranker(each, state, unlogged) for name, each in beside.items()}
        self._conversing = Conversing()
        self._ready, self._ready_until, self._readiness = Answer(b"", 503), -math.inf, asyncio.Lock()

    def rank(self, call: Call) -> Answer | Coroutine[Any, Any, Answer]:
        """Re-order candidates; if that can't be done, or not in time, give them back as they came."""
        with stage("parse"):
            request = RANK.decode(call.body)
        ranker = self._ranker_of(request)
        ranking = ranker.rank_at_once(request, call.arrived)
        return Answer(encode(ranking)) if ranking else _rank_later(ranker, request, call.arrived)

    def _ranker_of(self, request: api.RankRequest) -> Ranker:
        """Find the ranker of the model that a request names, by default of the one that serves."""
        if request.model is None:
            return self.ranker
        found = self._rankers_beside.get(request.model)
        if found is None:
            named = ", ".join(self._rankers_beside) or "none: start it with --beside NAME=FOLDER"
            raise RequestError(
                f"no model is called {request.model[:40]!r}; this server has {named} - at `$.model`"
            )
        return found

    async def validate(self, call: Call) -> Answer:
        """Say what a request to rank would do and why; nothing is logged."""
        request = RANK.decode(call.body)
        return Answer(encode(await self._ranker_of(request).validate(request, call.arrived)))

    async def converse(self, call: Call) -> Answer:
        """Re-order candidates by what a user says of the list."""
        with stage("parse"):
            asked = CONVERSE.decode(call.body)
        ranker = self._ranker_of(asked.request)
        return Answer(encode(await self._conversing.answer(asked, ranker, call.arrived)))

    async def rerank(self, call: Call) -> Answer:
        """Order texts by a query, by what a user just chose, or by both."""
        with stage("parse"):
            request = RERANK.decode(call.body)
        if is_blank(request.query or "") and request.user is None:
            raise RequestError("nothing to order by: give a query, a user, or both")
        history = NO_EVENTS if request.user is None else await self.ranker.users.history(request.user)
        return Answer(encode(await rerank(self.models.served, self.models.encoders, request, history)))

    async def rerank_items(self, call: Call) -> Answer:
        """Rank items for a user, and answer as `rerank` does."""
        with stage("parse"):
            request = RERANK_ITEMS.decode(call.body)
        asked = api.RankRequest([*request.items], request.user)
        return Answer(encode(by_index(request.items, await self.ranker.rank(asked, call.arrived))))

    async def metarank(self, call: Call) -> Answer:
        """Rank as Metarank does, whatever the model is called."""
        request = metarank.read_rank_request(call.body, call.flags.get("explain", False))
        return Answer(encode(metarank.rank_response(await self.ranker.rank(request, call.arrived))))

    def try_page(self, _: Call) -> Answer:
        """Show the page that ranks before one's eyes."""
        return page("try", has_tasks=self._has_tasks)

    def dashboard_page(self, _: Call) -> Answer:
        """Show the page of those who run this."""
        return page("dashboard", has_tasks=self._has_tasks)

    def tasks_page(self, _: Call) -> Answer:
        """Show the page of tasks, of the support desk and of the monitor."""
        return page("tasks", has_tasks=True)

    async def ready(self, _: Call) -> Answer:
        """Say whether a ranking works: ready is only what has just been done.

        However often that is requested, two items are ranked once in `READY_SECONDS`.
        """
        async with self._readiness:
            if time.monotonic() >= self._ready_until:
                self._ready = await self._try_ranking()
                self._ready_until = time.monotonic() + READY_SECONDS
        return self._ready

    async def _try_ranking(self) -> Answer:
        served = self.models.served
        request = api.RankRequest(served.some_items, user="readyz")
        ranking = await self._unlogged.rank(request, time.perf_counter())
        if ranking.degraded:
            return Answer(encode({"status": "not ready", "reason": ranking.reason}), 503)
        return Answer(encode({"status": "ready", "model": served.name}))

    def scrape(self, _: Call) -> Answer:
        """Give the metrics."""
        self.metrics.reviewed(self.models.served.reviews.counts)
        body, media_type = self.metrics.exposition()
        return Answer(body, media_type=media_type.encode())


async def _rank_later(ranker: Ranker, request: api.RankRequest, arrived: float) -> Answer:
    return Answer(encode(await ranker.rank(request, arrived)))
