"""What each endpoint does: bytes of a request in, an answer out, no HTTP but the status."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from msgspec import UNSET, UnsetType

from tailrank import api, api_live, api_stored, api_texts
from tailrank.api_page import Prices, Story
from tailrank.errors import EncoderError, RequestError
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.policy.exploration import Exploration
from tailrank.screening.reviews import Entry
from tailrank.server import metarank, model_versions
from tailrank.server.alerts import read_alerts
from tailrank.server.batches import Batch, Entries, verdicts
from tailrank.server.call import Call, encode
from tailrank.server.decoding import Body
from tailrank.server.exchange import Answer
from tailrank.server.experiment import LiveExperiment
from tailrank.server.experiment_reports import ExperimentReports
from tailrank.server.exposure import SharedExposure
from tailrank.server.impressions import as_records, logged_of, shown_record
from tailrank.server.items import checked_item
from tailrank.server.live import LivePage
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.openapi_page import docs_page
from tailrank.server.page_endpoints import PageEndpoints
from tailrank.server.pages import assets, page
from tailrank.server.ranker import Ranker
from tailrank.server.relevance import is_blank
from tailrank.server.reviewing import queue, told
from tailrank.server.routes import description
from tailrank.server.shown_lists import ShownLists
from tailrank.server.streams import Stream
from tailrank.server.text_rerank import rerank
from tailrank.server.translation import NO_EVENTS
from tailrank.state.base import InvalidEventsError, State, StoredEvent

READY_SECONDS: Final = 1.0
"""For how long the answer of `/readyz` holds."""

UNLOGGED: Final = "impressions aren't logged: start the server with --log-impressions FOLDER"

RANK: Final[Body[api.RankRequest]] = Body(api.RankRequest)
RERANK: Final[Body[api_texts.RerankRequest]] = Body(api_texts.RerankRequest)
PROMOTE: Final[Body[api_live.Promote]] = Body(api_live.Promote)
VERDICT: Final[Body[api_stored.Verdict]] = Body(api_stored.Verdict)
EVENTS: Final[Entries[api_stored.Event]] = Entries(api_stored.Event, api.MAX_EVENTS)
IMPRESSIONS: Final[Entries[api_stored.Impression]] = Entries(
    api_stored.Impression, api_stored.MAX_IMPRESSIONS
)
ITEMS: Final[Entries[api_stored.Item]] = Entries(api_stored.Item, api_stored.MAX_ITEMS)


class Endpoints(PageEndpoints):
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
    ) -> None:
        super().__init__(models, story, prices)
        self.state, self.metrics, self.log = state, metrics, log
        self.dashboard = dashboard
        self.shown = ShownLists(state, metrics)
        self.ranker = Ranker(
            models, state, metrics, log, experiment, policies, exploration, self.shown, exposure
        )
        self._unlogged = Ranker(models, state, metrics)
        self._reports = None if log is None else ExperimentReports(log.folder)
        self._ready, self._ready_until, self._readiness = Answer(b"", 503), -math.inf, asyncio.Lock()
        self._exporting = asyncio.Lock()

    def rank(self, call: Call) -> Answer | Coroutine[Any, Any, Answer]:
        """Re-order candidates; if that can't be done, or not in time, give them back as they came."""
        request = RANK.decode(call.body)
        ranking = self.ranker.rank_at_once(request, call.arrived)
        return Answer(encode(ranking)) if ranking else self._rank_later(request, call.arrived)

    async def _rank_later(self, request: api.RankRequest, arrived: float) -> Answer:
        return Answer(encode(await self.ranker.rank(request, arrived)))

    async def validate(self, call: Call) -> Answer:
        """Say what a request to rank would do and why; nothing is logged."""
        return Answer(encode(await self.ranker.validate(RANK.decode(call.body), call.arrived)))

    async def events(self, call: Call) -> Answer:
        """Store events; they are durable when this is answered."""
        stored, new = await self._store(EVENTS.decode(call.body))
        n = len(stored.entries)
        return Answer(encode(api_stored.EventsAccepted(n, new, verdicts(stored.refused, n, "event"))))

    async def impressions(self, call: Call) -> Answer:
        """Log lists that another system showed; they are durable when this is answered."""
        if self.log is None:
            raise RequestError(UNLOGGED)
        logged = IMPRESSIONS.decode(call.body)
        await self.log.put(list(map(shown_record, logged.entries)))
        n = len(logged.entries)
        return Answer(encode(api_stored.ImpressionsAccepted(n, verdicts(logged.refused, n, "impression"))))

    async def experiments(self, _: Call) -> Answer:
        """Decide what is, and was, compared live, by the log."""
        if self._reports is None:
            raise RequestError("nothing is compared: start the server with --log-impressions FOLDER")
        return Answer(await self._reports.latest())

    async def items(self, call: Call) -> Answer:
        """Put items: encoded and rankable when this is answered."""
        put, version = await self._put(ITEMS.decode(call.body))
        n = len(put.entries)
        return Answer(encode(api_stored.ItemsAccepted(n, version, verdicts(put.refused, n, "item"))))

    async def delete_item(self, call: Call) -> Answer:
        """Delete an item; of one that isn't known, nothing is stored."""
        api.check_id(call.name)
        await self.models.catch_up()
        served = self.models.served
        if not served.reranker.catalogue.unknown([call.name], "item"):
            return Answer(encode(api_stored.ItemsAccepted(1, await self.models.delete(call.name))))
        return Answer(encode(api_stored.ItemsAccepted(0, served.version)))

    async def user(self, call: Call) -> Answer:
        """Export what is stored of a user and, if asked to, what is logged."""
        api.check_id(call.name)
        history = (await self.state.read(call.name)).history
        events = [api.HistoryEvent(*row) for row in zip(*history, strict=True)]
        logged: api_stored.Logged | UnsetType = UNSET
        if call.flags.get("log"):
            if self.log is None:
                raise RequestError(UNLOGGED)
            async with self._exporting:  # of large logs, one at a time is enough
                logged = await logged_of(self.log.folder, call.name)
        shown = await self.state.shown(call.name) or UNSET
        return Answer(encode(api_stored.UserHistory(call.name, events, logged, shown)))

    async def erase(self, call: Call) -> Answer:
        """Erase what is stored of a user."""
        api.check_id(call.name)
        if self.log is not None:
            await self.log.erase(call.name)
        await self.shown.written()
        return Answer(encode(api_stored.UserErased(await self.state.erase(call.name))))

    async def alerts(self, _: Call) -> Answer:
        """List the alerts of all logs that share the state."""
        return Answer(encode(await read_alerts(self.state)))

    async def review(self, _: Call) -> Answer:
        """List the items that wait for a verdict."""
        await self.models.catch_up()
        return Answer(encode(queue(self.models.served)))

    async def review_of(self, call: Call) -> Answer:
        """Tell where an item stands, with its audit log."""
        await self.models.catch_up()
        served = self.models.served
        if (review := served.reviews.by_id.get(call.name)) is None:
            return Answer(encode(api.ErrorResponse(f"item {call.name[:40]!r} was never under review")), 404)
        return Answer(encode(told(served, call.name, review)))

    async def judge(self, call: Call) -> Answer:
        """Approve or reject an item; every ranking that follows goes by it."""
        given = VERDICT.decode(call.body)
        await self.models.catch_up()
        served = self.models.served
        review = served.reviews.by_id.get(call.name)
        if review is None and served.reranker.catalogue.unknown([call.name], "item"):
            return Answer(encode(api.ErrorResponse(f"there is no item {call.name[:40]!r}")), 404)
        text = "" if review is None else review.text
        if given.fingerprint not in (None, text):
            raise RequestError("the item has another text by now: read it again, then decide")
        entry = Entry(
            call.name, given.verdict, given.by, given.why, time.time(), text, market=given.market or ""
        )
        await self.models.judge(entry)
        return await self.review_of(call)

    async def rerank(self, call: Call) -> Answer:
        """Order texts by a query, by what a user just chose, or by both."""
        request = RERANK.decode(call.body)
        if is_blank(request.query or "") and request.user is None:
            raise RequestError("nothing to order by: give a query, a user, or both")
        history = NO_EVENTS if request.user is None else await self.ranker.history(request.user)
        return Answer(encode(await rerank(self.models.served, self.models.encoders, request, history)))

    async def feedback(self, call: Call) -> Answer:
        """Store Metarank's events: items first, so that an event never names what isn't there yet."""
        feedback = metarank.read_feedback(call.body, self.models.columns)
        for found, most in ((feedback.events, api.MAX_EVENTS), (feedback.items, api_stored.MAX_ITEMS)):
            if len(found.entries) > most:
                raise RequestError(f"{len(found.entries)} events at once: send at most {most}")
        try:
            put, _ = await self._put(feedback.items)
        except EncoderError:  # of which events need none; if all are sent again, these count once
            await self._store(feedback.events)
            raise
        stored, new = await self._store(feedback.events)
        refused = [*feedback.refused, *put.refused, *stored.refused]
        accepted = feedback.n_events - len(refused)
        listed, updated = verdicts(refused, accepted, "event"), new + len(put.entries)
        took = int(1e3 * (time.perf_counter() - call.arrived))
        return Answer(encode(metarank.FeedbackResponse("ok", accepted, updated, took, listed)))

    async def metarank(self, call: Call) -> Answer:
        """Rank as Metarank does, whatever the model is called."""
        request = metarank.read_rank_request(call.body, call.flags.get("explain", False))
        return Answer(encode(metarank.rank_response(await self.ranker.rank(request, call.arrived))))

    def try_page(self, _: Call) -> Answer:
        """Show the page that ranks before one's eyes."""
        return page("try")

    def dashboard_page(self, _: Call) -> Answer:
        """Show the page of those who run this."""
        return page("dashboard")

    async def live(self, _: Call) -> Stream:
        """Tell how things are, every second."""
        return self.dashboard.listen()

    def weights(self, _: Call) -> Answer:
        """Give the weights of signals as they were learned."""
        return Answer(encode(self.dashboard.weights()))

    def policies(self, _: Call) -> Answer:
        """Give the steps that rank for everybody."""
        return Answer(encode(self.dashboard.policies()))

    async def versions(self, _: Call) -> Answer:
        """List the versions of the model."""
        return Answer(encode(await model_versions.model_versions(self.models.folder)))

    async def promote(self, call: Call) -> Answer:
        """Let a version of the model serve."""
        version = PROMOTE.decode(call.body).version
        return Answer(encode(await model_versions.promote(self.models.folder, version)))

    async def roll_back(self, _: Call) -> Answer:
        """Let the version of the model serve that served before."""
        return Answer(encode(await model_versions.roll_back(self.models.folder)))

    def asset(self, call: Call) -> Answer:
        """Give a script or style of a page."""
        found = assets().get(call.name)
        return found or Answer(encode(api.ErrorResponse("no page has such a file")), 404)

    def openapi(self, _: Call) -> Answer:
        """Describe all this to programs."""
        return Answer(_description())

    def docs(self, _: Call) -> Answer:
        """Describe all this to readers."""
        return Answer(_docs_page(), media_type=b"text/html; charset=utf-8")

    def alive(self, _: Call) -> Answer:
        """Confirm that the process runs."""
        return Answer(b'{"status":"alive"}')

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

    async def _store(self, batch: Batch[api_stored.Event]) -> tuple[Batch[api_stored.Event], int]:
        """Append to the state; returns what is stored and refused, and how many events were new."""
        new = 0
        while batch.entries:
            try:
                new = await self.state.append([_stored(event) for event in batch.entries])
                break
            except InvalidEventsError as why:
                batch = batch.without(why.faults)
        if self.log is not None:
            await self.log.put(as_records(batch.entries))
        self.metrics.events.inc(new)
        if batch.entries:
            oldest = min(event.timestamp for event in batch.entries)
            self.metrics.event_lag.observe(max(0.0, time.time() - oldest))
        return batch, new

    async def _put(self, batch: Batch[api_stored.Item]) -> tuple[Batch[api_stored.Item], int]:
        """Put items that have an id and text; returns what is put and refused, and the items' version."""
        served = self.models.served
        trained = served.reranker.catalogue.items.columns
        batch = batch.map(lambda item: checked_item(item, served.columns_read, trained))
        return batch, await self.models.put(batch.entries) if batch.entries else served.version


def _stored(event: api_stored.Event) -> StoredEvent:
    return StoredEvent(event.event_id, event.user_id, event.item_id, event.event, event.timestamp)


@cache  # anybody may ask for it, so it must cost little
def _description() -> bytes:
    return encode(description(version("tailrank")))


@cache
def _docs_page() -> bytes:
    return docs_page(description(version("tailrank")))
