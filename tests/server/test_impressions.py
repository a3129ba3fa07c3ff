"""A server logs what it shows and what happens then: whole, once, and nothing of who was erased."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from msgspec import UNSET
from server_helpers import CANDIDATES, rank, wait_until

from tailrank import api_stored
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client, new_event
from tailrank.feedback.attribution import Outcome, outcomes
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.records import all_segments
from tailrank.feedback.roll_over import roll_over
from tailrank.ranking.reranker import Reranker


class Logging(NamedTuple):
    url: str
    folder: Path

    def logged(self) -> dict[str, Outcome]:
        return {found.impression.ranking_id: found for found in outcomes(read_log(self.folder))}

    def outcome(self, ranking_id: str) -> Outcome:
        """Wait for a ranking to be logged."""
        wait_until(lambda: bool(all_segments(self.folder)))
        wait_until(lambda: ranking_id in self.logged())
        return self.logged()[ranking_id]


def click(url: str, user: str, item: str, name: str = "1", **fields: object) -> dict[str, Any]:
    event = {"event_id": name, "user_id": user, "item_id": item, "event": "click", "timestamp": time.time()}
    answer = httpx.post(f"{url}/v1/events", json=event | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logging]:
    folder = tmp_path_factory.mktemp("impressions") / "log"
    state = tmp_path_factory.mktemp("state")
    with Server(model, state, "--log-impressions", str(folder)) as running:
        yield Logging(running.url, folder)


def test_a_ranking_is_logged_as_it_was(server: Logging, model: Path) -> None:
    scores = [0.5, 0.1, None, *np.linspace(0, 1, len(CANDIDATES) - 2).tolist()]
    names = [CANDIDATES[0], "no such film", *CANDIDATES[1:]]
    asked = [{"id": name, "score": score} for name, score in zip(names, scores, strict=True)]
    found = rank(server.url, candidates=asked, user="ann", history=["50", "181"], k=8, policy={"tail": 0.5})
    shown = server.outcome(found["ranking_id"]).impression
    assert (shown.user_id, shown.model, shown.degraded) == ("ann", found["model"], "")
    assert list(shown.item_ids) == [item["id"] for item in found["items"]]
    assert shown.previous_ranks.tolist() == [item["previous_rank"] for item in found["items"]]
    np.testing.assert_allclose(shown.scores, [item["score"] for item in found["items"]])
    by_name = dict(zip(names, scores, strict=True))
    np.testing.assert_array_equal(
        shown.upstream, np.array([by_name[name] for name in shown.item_ids], np.float64)
    )
    assert shown.policy == ("tail",)
    assert shown.propensities.tolist() == [1.0] * 8
    reranker = Reranker.load(model)
    kept = reranker.rank(["50", "181"], list(shown.item_ids), keep_signals=True).signals
    assert kept is not None
    order = reranker.rank(["50", "181"], list(shown.item_ids)).item_ids
    here = [order.index(name) for name in shown.item_ids]
    assert shown.signal_names == kept.names
    np.testing.assert_allclose(shown.signals, kept.values[here], rtol=1e-4, atol=1e-4)
    assert shown.count_levels.tolist() == kept.count_levels[here].tolist()
    assert shown.history_bucket == kept.history_bucket
    assert shown.known.tolist() == [name != "no such film" for name in shown.item_ids]


def test_events_join_the_ranking_that_they_name_or_follow(server: Logging) -> None:
    first, second = (rank(server.url, user="bea")["ranking_id"] for _ in range(2))
    server.outcome(second)
    click(server.url, "bea", "50", "1", ranking_id=first)
    for _ in range(2):
        click(server.url, "bea", "181", "2")
    click(server.url, "bea", "172", "3", event="dislike")
    found = server.logged()
    assert [i for i, c in zip(found[first].impression.item_ids, found[first].clicked, strict=True) if c] == [
        "50"
    ]
    later = found[second]
    assert [i for i, c in zip(later.impression.item_ids, later.clicked, strict=True) if c] == ["181"]
    assert [i for i, c in zip(later.impression.item_ids, later.disliked, strict=True) if c] == ["172"]
    assert len(read_log(server.folder).events.collect().filter(user_id="bea")) == 3


def test_callers_name_their_rankings_in_our_shape_and_in_that_of_metarank(server: Logging) -> None:
    assert rank(server.url, user="ida", ranking_id="ida-1", k=3)["ranking_id"] == "ida-1"
    body = {"candidates": CANDIDATES, "user": "ida", "deadline_ms": 1e-6, "ranking_id": "ida-2"}
    assert httpx.post(f"{server.url}/v1/rank", json=body).json()["ranking_id"] == "ida-2"
    listed = {"id": "ida-3", "timestamp": 0, "user": "ida", "items": [{"id": name} for name in CANDIDATES]}
    httpx.post(f"{server.url}/rank/any", json=listed).raise_for_status()
    server.outcome("ida-3")
    rank(server.url, user="ida", ranking_id="ida-1")  # sent once more: the first counts
    server.outcome(rank(server.url, user="ida")["ranking_id"])
    clicked = {"event": "interaction", "type": "click", "id": "1", "item": "50", "user": "ida"}
    named = {"ranking": "ida-3", "timestamp": round(1e3 * time.time())}
    httpx.post(f"{server.url}/feedback", json=clicked | named).raise_for_status()
    found = server.logged()
    assert len(found["ida-1"].impression) == 3
    assert found["ida-2"].impression.degraded == "deadline"
    assert [name for name in found if name.startswith("ida-") and found[name].clicked.any()] == ["ida-3"]
    for wrong, why in (("", "length >= 1"), ("é" * 300, "ranking_id is longer than 400 bytes")):
        answer = httpx.post(f"{server.url}/v1/rank", json={"candidates": CANDIDATES, "ranking_id": wrong})
        assert (answer.status_code, why in answer.json()["error"]) == (422, True)


def test_a_degraded_ranking_is_logged_as_such(server: Logging) -> None:
    body = {"candidates": CANDIDATES, "user": "cleo", "deadline_ms": 1e-6}
    found = httpx.post(f"{server.url}/v1/rank", json=body).json()
    shown = server.outcome(found["ranking_id"]).impression
    assert (shown.degraded, shown.policy, shown.signal_names) == ("deadline", (), ())
    assert list(shown.item_ids) == CANDIDATES
    assert not shown.known.any()


def test_neither_empty_rankings_nor_those_of_the_server_itself_are_logged(server: Logging) -> None:
    assert rank(server.url, candidates=[], user="dora")["items"] == []
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    server.outcome(rank(server.url, user="dora")["ranking_id"])
    users = [found.impression.user_id for found in server.logged().values()]
    assert users.count("dora") == 1
    assert "readyz" not in users


def test_lists_of_another_system_are_logged_too(server: Logging) -> None:
    one = {"ranking_id": "x1", "user_id": "eva", "item_ids": ["50", "181"], "timestamp": time.time()}
    more = {"scores": [2.0, 1.0], "propensities": [0.5, 0.25]}
    bad = one | {"ranking_id": "x3", "scores": [1.0]}
    answer = httpx.post(f"{server.url}/v1/impressions", json=[one | more, one | {"ranking_id": "x2"}, bad])
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    assert answer.json()["refused"] == [
        {"index": 2, "field": "scores", "error": "scores holds 1 numbers for 2 items"}
    ]
    click(server.url, "eva", "181", ranking_id="x1")
    found = server.logged()["x1"]
    assert found.impression.scores.tolist() == [2, 1]
    assert found.impression.propensities.tolist() == [0.5, 0.25]
    assert found.clicked.tolist() == [False, True]
    assert found.skipped.tolist() == [True, False]
    assert np.isnan(server.logged()["x2"].impression.scores).all()


def test_the_client_logs_lists_and_names_them_in_events(server: Logging) -> None:
    with Client(server.url) as client:
        client.add_impressions(api_stored.Impression("c1", ["50", "181"], time.time(), "gus"))
        client.add_events(new_event("gus", "181", ranking_id="c1"))
    assert server.logged()["c1"].clicked.tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"item_ids": []}, "item_ids"),
        ({"item_ids": ["50", "50"]}, "names an item twice"),
        ({"propensities": [0.0, 1.0]}, "propensities"),
        ({"propensities": [1.0]}, "propensities holds 1 numbers for 2 items"),
        ({"timestamp": 1e12}, "milliseconds"),
        ({"ranking_id": ""}, "ranking_id"),
        ({"item_ids": ["50", "é" * 300]}, "item_ids is longer than 400 bytes"),
        ({"items": []}, "did you mean `item_ids`?"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(server: Logging, change: dict[str, Any], error: str) -> None:
    one = {"ranking_id": "x", "user_id": "eva", "item_ids": ["50", "181"], "timestamp": time.time()}
    answer = httpx.post(f"{server.url}/v1/impressions", json=one | change)
    assert answer.status_code == 422
    assert error in answer.json()["error"]


def test_an_export_is_whole_with_the_log(server: Logging) -> None:
    named = rank(server.url, user="hal")["ranking_id"]
    server.outcome(named)
    click(server.url, "hal", "50", ranking_id=named)
    roll_over(server.folder, 30, 1)
    with Client(server.url, timeout=60) as client:
        found = client.history("hal", log=True)
        assert client.history("hal").logged == UNSET
        assert client.history("nobody", log=True).logged == api_stored.Logged([], [])
    assert [event.item_id for event in found.events] == ["50"]
    assert isinstance(found.logged, api_stored.Logged)
    [shown], [event] = found.logged.shown, found.logged.events
    assert (shown["ranking_id"], shown["user_id"], len(shown["item_ids"])) == (named, "hal", len(CANDIDATES))
    assert (event["item_id"], event["ranking_id"]) == ("50", named)
    httpx.delete(f"{server.url}/v1/users/hal").raise_for_status()
    after = httpx.get(f"{server.url}/v1/users/hal?log=true", timeout=60).json()
    assert after["logged"] == {"shown": [], "events": []}


def test_who_is_erased_is_erased_from_the_log(server: Logging) -> None:
    before = rank(server.url, user="faye")["ranking_id"]
    server.outcome(before)
    click(server.url, "faye", "50", ranking_id=before)
    assert httpx.delete(f"{server.url}/v1/users/faye").json() == {"erased": True}
    assert before not in server.logged()
    assert not len(read_log(server.folder).events.collect().filter(user_id="faye"))
    after = rank(server.url, user="faye")["ranking_id"]
    server.outcome(after)


def test_a_server_without_a_log_says_so(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path / "state") as running:
        one = {"ranking_id": "x", "user_id": "eva", "item_ids": ["50"], "timestamp": time.time()}
        answer = httpx.post(f"{running.url}/v1/impressions", json=one)
        assert answer.status_code == 422
        assert "--log-impressions" in answer.json()["error"]
        assert httpx.get(f"{running.url}/v1/users/ann?log=true").status_code == 422
        assert click(running.url, "ann", "50", ranking_id="any")["new"] == 1


def test_workers_share_a_log_and_no_acknowledged_event_is_lost_or_counted_twice(
    model: Path, tmp_path: Path
) -> None:
    folder, named = tmp_path / "log", dict[str, str]()
    options = ("--workers", "2", "--log-impressions", str(folder))
    with Server(model, tmp_path / "state", *options) as running:
        log = Logging(running.url, folder)
        for turn in range(2):
            for n in range(3):
                name = f"{turn}-{n}"
                ranking = rank(running.url, user=name)["ranking_id"]
                log.outcome(ranking)
                click(running.url, name, "50", name, ranking_id=ranking)
                named[name] = ranking
            running.kill()
            if turn:
                roll_over(folder, 30, 1)
            running.start()
            for name, ranking in named.items():  # as a client that got no answer would
                click(running.url, name, "50", name, ranking_id=ranking)
        found = log.logged()
        for ranking in named.values():
            clicked = found[ranking]
            assert [i for i, c in zip(clicked.impression.item_ids, clicked.clicked, strict=True) if c] == [
                "50"
            ]
        events = read_log(folder).events.collect()
        assert sorted(events["event_id"]) == sorted(named)
