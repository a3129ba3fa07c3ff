"""Alerts of all logs that share the state: for `GET /v1/alerts`, and counted for Prometheus."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from tailrank import api_reports
from tailrank.feedback.alerts import KINDS, NOTES, Alert, AlertsNote, WatchReport
from tailrank.server.log_process import run_log_process
from tailrank.server.metrics import Metrics
from tailrank.state.base import State, StateError

COUNT_EVERY: Final = 5.0
"""Seconds between two counts of what is open."""

FORGOTTEN: Final = 86_400.0
"""Seconds after which a log counts as gone, if nobody has noted anything of it."""

log = logging.getLogger("tailrank.server")


async def read_alerts(state: State) -> api_reports.Alerts:
    """Read what is open and what was, of all workers and machines.

    Raises
    ------
    StateError
        If the state is out of reach.
    """
    found, oldest = (await state.notes(NOTES)).values(), time.time() - FORGOTTEN
    notes = [note for each in found if (note := AlertsNote.decoded(each)) and note.time > oldest]
    opened = [_told(alert, note) for note in notes for alert in note.opened]
    closed = [_told(alert, note) for note in notes for alert in note.closed]
    return api_reports.Alerts(
        sorted(opened, key=attrgetter("since")),
        sorted(closed, key=attrgetter("until"), reverse=True),
        [api_reports.WatchedLog(note.log, note.machine, note.time, note.missing or UNSET) for note in notes],
    )


async def count_alerts(state: State, metrics: Metrics) -> None:
    """Count what is open by kind, for ever; while the state is out of reach, the counts stay."""
    while True:
        try:
            found = Counter(alert.kind for alert in (await read_alerts(state)).opened)
        except StateError:
            pass  # rankings say so
        else:
            for kind in KINDS:
                metrics.alerts.labels(kind).set(found[kind])
        await asyncio.sleep(COUNT_EVERY)


async def watch_log(folder: Path, location: str) -> None:
    """Have a log watched by one process of the machine, for ever.

    Parameters
    ----------
    folder
        Of the log.
    location
        Of the state.
    """

    async def tell(orders: asyncio.StreamWriter) -> None:
        orders.write(msgspec.json.encode(location) + b"\n")

    def take(line: bytes) -> None:
        report = msgspec.json.decode(line, type=WatchReport)
        log_alerts(report.alerts)
        if report.trouble:
            log.warning("the log of impressions isn't watched", extra={"why": report.trouble})

    await run_log_process("tailrank.feedback.watching_process", folder, tell, take)


def log_alerts(alerts: Sequence[Alert]) -> None:
    """Log what was opened or closed, without ids."""
    for alert in alerts:
        fields = {"kind": alert.kind, "seen": alert.seen, "expected": alert.expected}
        log.warning("alert" if alert.until is None else "alert is over", extra=fields)


def _told(alert: Alert, note: AlertsNote) -> api_reports.Alert:
    return api_reports.Alert(
        alert.kind,
        alert.subject,
        alert.since,
        alert.seen,
        alert.expected,
        alert.remedy,
        str(alert),
        note.log,
        note.machine,
        UNSET if alert.until is None else alert.until,
    )
