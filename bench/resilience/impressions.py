"""Kill a server with -9 between a click and its log, 50 times: each click that was answered joins once.

Two workers rank for six clients. Each clicks an item of every list that it was shown, naming the ranking,
150 ms after: later than any ranking waits for the disk. The server is killed at a random moment; every
other time what it left is rolled over. Then it starts again, and clicks that it left unanswered are sent
once more.
"""

from __future__ import annotations

import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.resilience.clients import RecordingClient, event, items_of, load
from bench.study import Json, Keep, Model, report
from bench.waiting import wait_until
from tailrank.benchmarks.launcher import Server
from tailrank.feedback.attribution import outcomes
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.roll_over import roll_over

KILLS: Final = 50
CLIENTS: Final = 6
PAUSE: Final = 0.15
SECONDS: Final = (0.05, 0.6)
"""Between the first click that is answered and the kill, drawn evenly."""

Click = tuple[str, str, str]
"""User, ranking and item."""


class Clicks:
    """What clients clicked, and which of it was answered."""

    def __init__(self, items: list[str]) -> None:
        self.items = items
        self.sent: list[tuple[float, Click]] = []
        self.answered: set[Click] = set()
        self.resent: set[Click] = set()
        """Clicks that were answered by the server that made the ranking, and by the one after it."""

    def work(self, user: str, client: RecordingClient, _: int) -> None:
        """Ask for a ranking, wait, and click its second item."""
        found = client.ask("/v1/rank", {"candidates": self.items, "user": user})
        if found.status != 200:
            time.sleep(0.01)
            return
        time.sleep(PAUSE)
        click = (user, found.answer["ranking_id"], found.answer["items"][1]["id"])
        self.sent.append((time.monotonic(), click))
        if self.send(client, click):
            self.answered.add(click)

    @staticmethod
    def send(client: RecordingClient, click: Click) -> bool:
        """Send a click; returns whether it was answered with 200."""
        user, ranking, item = click
        body = event(user, item, 0) | {"event_id": ranking, "ranking_id": ranking}
        return client.ask("/v1/events", body).status == 200


def kills(model: Path, folder: Path, n: int) -> Json:
    """Kill, start again, and count."""
    rng, clicks, log = random.Random(0), Clicks(items_of(model)), folder / "log"  # noqa: S311
    with Server(
        model, folder / "state", "--workers", "2", "--log-impressions", str(log), "--queue-ms", "10000"
    ) as server:
        for turn in range(n):
            before = len(clicks.answered)
            jobs = {f"k{turn}-{c}": partial(clicks.work, f"k{turn}-{c}") for c in range(CLIENTS)}
            with load(server.port, jobs):
                wait_until(lambda: len(clicks.answered) > before, 30)  # noqa: B023
                time.sleep(rng.uniform(*SECONDS))
                killed = time.monotonic()
                server.kill()
            if turn % 2:
                roll_over(log, 30, 10)
            server.start()
            client = RecordingClient(server.port)
            for click in {click for at, click in clicks.sent if at < killed} - clicks.answered:
                wait_until(partial(clicks.send, client, click), 30)
                clicks.resent.add(click)
            client.close()
            clicks.sent.clear()
    return {"kills": n, **counted(log, clicks)}


def counted(log: Path, clicks: Clicks) -> Json:
    """Look up each click that was answered, in the log and in the list that it names."""
    tables = read_log(log)
    events = tables.events.collect()["event_id"].to_list()
    joined = {
        (found.impression.user_id, found.impression.ranking_id, item)
        for found in outcomes(tables)
        for item, one in zip(found.impression.item_ids, found.clicked, strict=True)
        if one
    }
    every = clicks.answered | clicks.resent
    return {
        "answered": len(clicks.answered),
        "not_joined": len(clicks.answered - joined),
        "resent": len(clicks.resent),
        "resent_without_ranking": len(clicks.resent - joined),
        "clicks_lost": len({ranking for _, ranking, _ in every} - set(events)),
        "clicks_twice": len(events) - len(set(events)),
    }


def main(
    model: Model, n: Annotated[int, typer.Option("--kills", help="How many.")] = KILLS, keep: Keep = False
) -> None:
    """Kill a server that logs, print one JSON object, and keep it."""
    with tempfile.TemporaryDirectory() as folder:
        report("resilience-impressions.json", kills(model, Path(folder), n), keep)
