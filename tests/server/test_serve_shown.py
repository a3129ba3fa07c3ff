"""What a server showed time and again goes, whichever worker showed it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from server_helpers import wait_until

from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.data.dataset import Dataset
from tailrank.ranking.reranker import Reranker

IDS = [f"i{n}" for n in range(6)]
ITEMS = pl.DataFrame({"item_id": IDS, "title": ["Tea", "Jam", "Oats", "Lamp", "Desk", "Chair"]})
POLICIES = '[[policy]]\nname = "already-shown"\ntimes = 3\nplaces = 2\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("shown")
    rows = [(f"u{n}", IDS[(n + at) % 6], 1_700_000_000 + 3 * n + at) for n in range(12) for at in range(3)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    Reranker.fit(Dataset.construct(ITEMS, events), None).save(folder / "model")
    (folder / "policies.toml").write_text(POLICIES)
    options = "--workers", "2", "--policies", str(folder / "policies.toml")
    with Server(folder / "model", folder / "state", *options) as running:
        yield running


def rank(server: Server, **asked: Any) -> dict[str, Any]:
    response = httpx.post(f"{server.url}/v1/rank", json={"candidates": IDS, **asked})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    assert not found["degraded"]
    return found


def shown(server: Server, user: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = httpx.get(f"{server.url}/v1/users/{user}").json().get("shown", {})
    return found


def first(ranking: dict[str, Any]) -> list[str]:
    return [item["id"] for item in ranking["items"][:2]]


def test_what_all_workers_showed_counts_and_erasing_forgets_it(server: Server) -> None:
    lines = dict[int, Connection]()
    while len(lines) < 2:
        line = Connection(server.port)
        lines.setdefault(server.worker_of(line), line)
    one, other = lines.values()
    asked = {"candidates": IDS, "user": "ann"}
    for times, line in enumerate((one, other, one), 1):
        top = first(found := line.ask("/v1/rank", asked))
        assert "removed" not in found
        wait_until(lambda: {*map(len, shown(server, "ann").values())} == {times})  # noqa: B023
    assert shown(server, "ann").keys() == set(top)
    for line in lines.values():
        assert line.ask("/v1/rank", asked)["removed"] == dict.fromkeys(top, "already shown")
    event = {"event_id": "1", "user_id": "ann", "item_id": top[0], "event": "click", "timestamp": time.time()}
    assert httpx.post(f"{server.url}/v1/events", json=event).status_code == 200
    wait_until(lambda: len(shown(server, "ann")) == 4)
    assert other.ask("/v1/rank", asked)["removed"] == {top[1]: "already shown"}
    # The other worker still gathers what it has just shown.
    assert b'"erased":true' in one.insist(request("/v1/users/ann").replace(b"GET", b"DELETE", 1))
    time.sleep(0.5)
    assert shown(server, "ann") == {}
    assert "removed" not in rank(server, user="ann")
    for line in lines.values():
        line.close()


def test_a_caller_who_says_what_was_shown_is_believed(server: Server) -> None:
    before = [time.time() - 60 * n for n in range(3)]
    assert rank(server, user="bea", shown={"i1": before, "i2": before[:2]})["removed"] == {
        "i1": "already shown"
    }
    with Client(server.url) as client:
        assert client.rank(IDS, user="bea", shown={"i2": before}).removed == {"i2": "already shown"}
    assert "removed" not in rank(server, user="bea", shown={})
    assert shown(server, "bea") == {}


def test_degraded_lists_are_shown_too(server: Server) -> None:
    asked = {"candidates": IDS, "user": "cleo", "deadline_ms": 1e-6}
    assert httpx.post(f"{server.url}/v1/rank", json=asked).json()["reason"] == "deadline"
    wait_until(lambda: shown(server, "cleo").keys() == set(IDS[:2]))


def test_validation_shows_nothing_and_says_what_was_taken(server: Server) -> None:
    asked = {"candidates": IDS, "user": "dora", "shown": {"i3": [time.time()] * 3}}
    found = httpx.post(f"{server.url}/v1/rank/validate", json=asked).json()
    removed = {step["name"]: step["removed"] for step in found["steps"]}
    assert removed["already-shown"] == {"i3": "already shown"}
    httpx.post(f"{server.url}/v1/rank/validate", json={"candidates": IDS, "user": "dora"})
    assert rank(server, user="other")["items"]
    wait_until(lambda: bool(shown(server, "other")))
    assert shown(server, "dora") == {}


def test_times_that_make_no_sense_are_refused(server: Server) -> None:
    asked = {"candidates": IDS, "shown": {"i1": [1_700_000_000_000]}}
    response = httpx.post(f"{server.url}/v1/rank", json=asked)
    assert response.status_code == 422
    assert "not milliseconds" in response.json()["error"]
