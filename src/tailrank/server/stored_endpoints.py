"""What is stored by a request: events, impressions, items; and what of a user is given out and erased."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from msgspec import UNSET, UnsetType

from tailrank import api, api_stored
from tailrank.errors import EncoderError, RequestError
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.server import metarank
from tailrank.server.batches import Batch, Entries, verdicts
from tailrank.server.call import Call, encode
from tailrank.server.exchange import Answer
from tailrank.server.impressions import as_records, logged_of, shown_record
from tailrank.server.items import checked_item
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.shown_lists import ShownLists
from tailrank.server.stored_events import store
from tailrank.stages import stage
from tailrank.state.base import State

UNLOGGED: Final = "impressions aren't logged: start the server with --log-impressions FOLDER"

EVENTS: Final[Entries[api_stored.Event]] = Entries(api_stored.Event, api.MAX_EVENTS)
IMPRESSIONS: Final[Entries[api_stored.Impression]] = Entries(
    api_stored.Impression, api_stored.MAX_IMPRESSIONS
)
ITEMS: Final[Entries[api_stored.Item]] = Entries(api_stored.Item, api_stored.MAX_ITEMS)


class StoredEndpoints:
    """The endpoints of what is stored.

    Parameters
    ----------
    models
        Takes items.
    state
        Takes events.
    metrics
        Where they are counted.
    log
        Where impressions and events are logged; None if nowhere.
    """

    def __init__(
        self, models: ModelManager, state: State, metrics: Metrics, log: ImpressionLog | None
    ) -> None:
        self.models, self.state, self.metrics, self.log = models, state, metrics, log
        self.shown = ShownLists(state, metrics)
        self._exporting = asyncio.Lock()

    async def events(self, call: Call) -> Answer:
        """Store events; they are durable when this is answered."""
        with stage("parse"):
            events = EVENTS.decode(call.body)
        stored, new = await self._store(events)
        n = len(stored.entries)
        return Answer(encode(api_stored.EventsAccepted(n, new, verdicts(stored.refused, n, "event"))))

    async def impressions(self, call: Call) -> Answer:
        """Log lists that another system showed; they are durable when this is answered."""
        if self.log is None:
            raise RequestError(UNLOGGED)
        logged, model = IMPRESSIONS.decode(call.body), self.models.served
        await self.log.put([shown_record(each, model) for each in logged.entries])
        n = len(logged.entries)
        return Answer(encode(api_stored.ImpressionsAccepted(n, verdicts(logged.refused, n, "impression"))))

    async def items(self, call: Call) -> Answer:
        """Put items: encoded and rankable when this is answered."""
        with stage("parse"):
            items = ITEMS.decode(call.body)
        put, version = await self._put(items)
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
        await self.shown.written_everywhere()
        return Answer(encode(api_stored.UserErased(await self.state.erase(call.name))))

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

    async def _store(self, batch: Batch[api_stored.Event]) -> tuple[Batch[api_stored.Event], int]:
        """Append to the state; returns what is stored and refused, and how many events were new."""
        batch, new = await store(self.state, batch)
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
        read, held = served.columns_read, served.columns_of_spaces
        batch = batch.map(lambda item: checked_item(item, read, trained, held))
        return batch, await self.models.put(batch.entries) if batch.entries else served.version
