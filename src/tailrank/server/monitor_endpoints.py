"""What a monitor found that another process runs, and thumbs for it: on threads, at each request anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from tailrank.api_monitor import (
    AlertThumb,
    AlertThumbStored,
    CountedSeries,
    MonitorAlert,
    MonitorAlerts,
    MonitorSeries,
    MonitorText,
    SeriesCounts,
    SeriesName,
    SeriesRequest,
    ToldSubscriber,
)
from tailrank.errors import DataError, RequestError
from tailrank.feedback.records import LogError
from tailrank.server.call import Call, encode
from tailrank.server.decoding import Body
from tailrank.server.exchange import Answer

if TYPE_CHECKING:  # as in `served_tasks`
    from tailrank.tasks.monitor.alert_log import Alert
    from tailrank.tasks.monitor.view import MonitorView

SERIES: Final[Body[SeriesRequest]] = Body(SeriesRequest)
THUMB: Final[Body[AlertThumb]] = Body(AlertThumb)

ALERTS: Final = 50
"""Alerts that are told of, the latest first."""

QUOTED: Final = 1_000
"""Characters of a text that are told of."""

LISTED: Final = 500
"""Series that are listed, those of most texts first."""

DAYS: Final = 30
"""Latest days whose texts are counted for that."""


class MonitorEndpoints:
    """The endpoints of a monitor.

    Parameters
    ----------
    monitor
        Its view; None if there is none.
    """

    def __init__(self, monitor: MonitorView | None) -> None:
        self._monitor = monitor

    async def monitor_alerts(self, _: Call) -> Answer:
        """List the latest alerts, with the texts behind them."""
        view = self._view()

        def read() -> MonitorAlerts:
            found = view.overview(ALERTS)
            alerts = [_told(alert, found.told.get(alert.id, {})) for alert in found.alerts]
            return MonitorAlerts(found.now, found.counters, found.total, alerts)

        return await _read(read)

    async def monitor_thumb(self, call: Call) -> Answer:
        """Keep whether an alert was worth it; that is durable when this is answered."""
        view, given = self._view(), THUMB.decode(call.body)

        def give() -> AlertThumbStored:
            found = view.thumb(given.subscriber, given.alert, given.is_up)
            return AlertThumbStored(found.subscriber, found.alert, found.is_up, found.severity)

        return await _read(give)

    async def monitor_series(self, _: Call) -> Answer:
        """List the series, those of most texts first."""
        view = self._view()

        def read() -> MonitorSeries:
            totals = view.totals(DAYS)
            listed = [CountedSeries(*series, texts) for series, texts in list(totals.items())[:LISTED]]
            return MonitorSeries(DAYS, len(totals), listed)

        return await _read(read)

    async def monitor_counts(self, call: Call) -> Answer:
        """Give a series, period by period."""
        view, asked = self._view(), SERIES.decode(call.body)

        def read() -> SeriesCounts:
            from tailrank.tasks.monitor.series import Series

            found = view.series(Series(asked.topic, asked.entity), asked.days)
            return SeriesCounts(
                asked.topic,
                asked.entity,
                found.kind,
                found.seconds,
                found.starts.tolist(),
                found.n.tolist(),
                found.negative.tolist(),
                [round(each, 4) if np.isfinite(each) else None for each in found.expected.tolist()],
            )

        return await _read(read)

    def _view(self) -> MonitorView:
        if self._monitor is None:
            raise RequestError("there is no monitor to look at: start the server with --monitor FOLDER")
        return self._monitor


async def _read(work: Callable[[], object]) -> Answer:
    """Do what reads or writes the monitor's folder; raises LogError if that can't be done."""
    try:
        return Answer(encode(await asyncio.to_thread(work)))
    except DataError as why:
        raise LogError(str(why)) from None


def _told(alert: Alert, thumbs: Mapping[str, bool | None]) -> MonitorAlert:
    """Write an alert, with the thumbs of those who were told of it."""
    return MonitorAlert(
        alert.id,
        alert.kind,
        alert.topic,
        alert.entity,
        alert.since,
        alert.until,
        alert.observed,
        alert.expected,
        alert.texts,
        alert.why,
        alert.words,
        [_quoted(sentence) for sentence in alert.summary],
        [MonitorText(each.id, each.timestamp, _quoted(each.text)) for each in alert.evidence],
        [SeriesName(*each) for each in alert.also],
        [ToldSubscriber(*each) for each in thumbs.items()],
    )


def _quoted(text: str) -> str:
    """Cut a text that is too long to be polled."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"
