"""A server that logs impressions watches them, and tells of all that share its state."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
from msgspec import UNSET
from server_helpers import CANDIDATES, rank, wait_until

from tailrank import api_reports, api_stored
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.feedback.alerts import NOTES, Alert, AlertsNote
from tailrank.state.embedded import EmbeddedState

HOUR = 3_600.0


def visit(url: str, program: str = "program") -> None:
    """Send what thirty people do, and one program: more events within a minute than a person can send."""
    now = time.time()
    people = [api_stored.Event(f"v{n}", f"user {n}", CANDIDATES[n % 10], "click", now - 9) for n in range(30)]
    clicks = [
        api_stored.Event(f"{program} {n}", program, CANDIDATES[n % 10], "click", now - n / 30)
        for n in range(130)
    ]
    with Client(url) as client:
        client.add_events(*people, *clicks)


def alerts(url: str) -> api_reports.Alerts:
    with Client(url) as client:
        return client.alerts()


def elsewhere(state: Path, time: float) -> None:
    """Note what another machine watches."""
    opened = [Alert("click rate", "", time - HOUR, 0.05, 0.2, "Look.")]
    closed = [Alert("events an hour", "", time - 9 * HOUR, 0, 120, "Look.", time - 8 * HOUR)]
    note = AlertsNote("log 2", "machine 2", time, opened, closed, "clicks need river")

    async def put() -> None:
        there = EmbeddedState(state)
        await there.put_note(NOTES, "log 2", note.encoded())
        await there.put_note(NOTES, "log 3", b"of another version")
        await there.close()

    asyncio.run(put())


def test_alerts_of_all_workers_and_machines_are_told_and_outlive_the_server(
    model: Path, tmp_path: Path
) -> None:
    state, log = tmp_path / "state", tmp_path / "log"
    elsewhere(state, time.time())
    with Server(model, state, "--workers", "2", "--log-impressions", str(log)) as running:
        first, *_ = alerts(running.url).opened
        assert (first.kind, first.machine, first.log, first.until) == (
            "click rate",
            "machine 2",
            "log 2",
            UNSET,
        )
        assert first.message.startswith("click rate: 0.05 since")
        rank(running.url, user="ann")
        visit(running.url)
        wait_until(lambda: len(alerts(running.url).opened) == 2)
        _, ours = alerts(running.url).opened
        assert (ours.kind, ours.subject, ours.seen > ours.expected) == (
            "events a minute",
            "user program",
            True,
        )
        wait_until(lambda: 'tailrank_alerts_open{kind="events a minute"} 1.0' in metrics(running.url))
        assert 'tailrank_alerts_open{kind="share of events"} 0.0' in metrics(running.url)
        running.kill()
        running.start()
        found = alerts(running.url)
        assert [each.subject for each in found.opened] == ["", "user program"]
        assert [each.kind for each in found.closed] == ["events an hour"]
        assert {each.log: each.missing for each in found.watched}["log 2"] == "clicks need river"
        visit(running.url, "another")
        wait_until(lambda: len(alerts(running.url).opened) == 3)
        httpx.delete(f"{running.url}/v1/users/program").raise_for_status()
        wait_until(lambda: "user program" not in str(alerts(running.url)))


def metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics").text


def test_a_machine_of_which_nothing_was_heard_for_a_day_counts_as_gone(model: Path, tmp_path: Path) -> None:
    elsewhere(tmp_path / "state", time.time() - 25 * HOUR)
    with Server(model, tmp_path / "state") as running:
        assert alerts(running.url) == api_reports.Alerts([], [], [])
