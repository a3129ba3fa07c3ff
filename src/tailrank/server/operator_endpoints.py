"""What those who run the server ask of it: how it is, what waits for a verdict, which model serves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from tailrank import api, api_live, api_stored
from tailrank.errors import RequestError
from tailrank.screening.reviews import Entry
from tailrank.server import model_versions
from tailrank.server.alerts import read_alerts
from tailrank.server.call import Call, encode
from tailrank.server.decoding import Body
from tailrank.server.exchange import Answer
from tailrank.server.experiment_reports import ExperimentReports
from tailrank.server.live import LivePage
from tailrank.server.model_manager import ModelManager
from tailrank.server.reviewing import check_market, queue, told
from tailrank.server.streams import Stream
from tailrank.state.base import State

PROMOTE: Final[Body[api_live.Promote]] = Body(api_live.Promote)
VERDICT: Final[Body[api_stored.Verdict]] = Body(api_stored.Verdict)


class OperatorEndpoints:
    """The endpoints of the dashboard.

    Parameters
    ----------
    models
        Gives the model that serves.
    state
        Where alerts are.
    dashboard
        Knows how things are.
    log
        Folder of logged impressions; None if they aren't logged.
    """

    def __init__(self, models: ModelManager, state: State, dashboard: LivePage, log: Path | None) -> None:
        self.models, self.state, self.dashboard = models, state, dashboard
        self._reports = None if log is None else ExperimentReports(log)

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

    async def roll_back(self, call: Call) -> Answer:
        """Let the version of the model serve that served before."""
        if call.body.strip() not in (b"", b"{}"):
            raise RequestError("a rollback has no fields: to name a version, POST /v1/models/promote")
        return Answer(encode(await model_versions.roll_back(self.models.folder)))

    async def experiments(self, _: Call) -> Answer:
        """Decide what is, and was, compared live, by the log."""
        if self._reports is None:
            raise RequestError(
                "nothing is compared: start the server with --log-impressions FOLDER --challenger MODEL"
            )
        return Answer(await self._reports.latest())

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
        if given.market is not None:
            check_market(given.market, self.models.screen, review)
        text = "" if review is None else review.text
        if given.fingerprint not in (None, text):
            raise RequestError("the item has another text by now: read it again, then decide")
        entry = Entry(
            call.name, given.verdict, given.by, given.why, time.time(), text, market=given.market or ""
        )
        await self.models.judge(entry)
        return await self.review_of(call)
