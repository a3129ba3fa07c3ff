"""From events to a new model in service, and back, while clients ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from server_helpers import wait_until
from typer.testing import CliRunner

from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app

DAY, START, DAYS, KNOWN = 86_400, 1_700_000_000, 16, 12
USERS, ITEMS = 60, 30


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def events(first: int, last: int) -> list[dict[str, Any]]:
    """Make users go round a ring of items, one a day."""
    return [
        {
            "event_id": f"{user} {day}",
            "user_id": f"u{user}",
            "item_id": f"i{(user + day) % ITEMS}",
            "event": "click",
            "timestamp": START + day * DAY,
        }
        for day in range(first, last)
        for user in range(USERS)
    ]


@contextmanager
def asking(server: Server) -> Iterator[list[str]]:
    """Ask all the time, and note which model answers."""
    models, over = list[str](), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            while not over.is_set():
                answer = client.post("/v1/rank", json={"user": "u1", "candidates": ["i3", "i9", "i14"]})
                found = answer.json()
                models.append(found["model"] if answer.status_code == 200 and not found["degraded"] else "")
                over.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield models
    finally:
        over.set()
        thread.join()


def test_what_was_logged_makes_a_new_model_and_rolling_back_the_old_one(tmp_path: Path) -> None:
    shop, models, log = tmp_path / "shop", tmp_path / "models", tmp_path / "log"
    shop.mkdir()
    pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "title": "tea"}).write_csv(shop / "items.csv")
    pl.DataFrame(events(0, KNOWN)).write_csv(shop / "events.csv")
    call("train", "--data", shop, "--encoder", "none", "--fast", "--out", tmp_path / "first")
    call("models", "promote", models, tmp_path / "first")
    current = models / "current"
    with Server(current, tmp_path / "state", "--log-impressions", str(log)) as server, asking(server) as seen:
        sent = events(KNOWN - 1, DAYS)  # some are in the folder
        known = httpx.post(f"{server.url}/v1/events", json=sent, timeout=60)
        assert known.json()["accepted"] == (DAYS - KNOWN + 1) * USERS
        wait_until(lambda: bool(seen))
        said = call("retrain", "--data", shop, "--model", current, "--from-log", log)
        assert f"{(DAYS - KNOWN) * USERS:,} events that" in said
        wait_until(lambda: seen[-1] != seen[0])
        call("models", "rollback", models)
        wait_until(lambda: seen[-1] == seen[0])
    versions = json.loads(call("models", "list", models, "--json"))["versions"]
    new, old = (f"current@{each['version'][-12:]}" for each in versions)
    assert [model for model, _ in groupby(seen)] == [old, new, old]
    assert [each["status"] for each in versions] == ["", "serves"]
    assert versions[0]["gate"]["passed"]
    assert versions[0]["learned_until"] > versions[1]["learned_until"]
