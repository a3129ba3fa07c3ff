"""Models beside the one that serves: requests name them, and nothing is learned from their lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from server_helpers import CANDIDATES, rank, spoiled, store, wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.records import all_segments
from tailrank.ranking.reranker import Reranker

HISTORY = ["50", "181"]
RULES = """
version = "june"

[[rule]]
id = "last"
when = "title = 'Toy Story (1995)'"
then = "bury"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("beside")


@pytest.fixture(scope="module")
def server(model: Path, reranker: Reranker, folder: Path) -> Iterator[Server]:
    """A server that compares a model with one of another policy, and has its opposite beside both."""
    replace(reranker, policy=()).save(folder / "plain")
    spoiled(reranker).save(folder / "worse")
    (folder / "rules.toml").write_text(RULES)
    logs = ("--log-impressions", str(folder / "log"), "--policies", str(folder / "rules.toml"))
    others = ("--challenger", str(folder / "plain"), "--beside", f"worse={folder / 'worse'}")
    with Server(model, folder / "state", *logs, *others) as server:
        yield server


def test_a_request_names_the_model_that_ranks(server: Server, reranker: Reranker) -> None:
    store(server.url, "ann", *HISTORY)
    beside = httpx.get(f"{server.url}/v1/page").json()["beside"]
    assert list(beside) == ["challenger", "worse"]
    candidates = [item for item in CANDIDATES if item != "1"]  # Toy Story, which is last of all
    rankers = {"challenger": replace(reranker, policy=()), "worse": spoiled(reranker)}
    for name, other in rankers.items():
        found = rank(server.url, user="ann", model=name)
        assert found["model"] == beside[name]
        assert "challenger" not in found  # no turns are taken
        expected = other.rank(HISTORY, candidates).item_ids
        assert [item["id"] for item in found["items"]] == [*expected, "1"]
    with Client(server.url) as client:
        assert client.rank(CANDIDATES, history=HISTORY, model="worse").model == beside["worse"]


def test_it_is_that_model_that_explains_and_checks(server: Server) -> None:
    asked = {"candidates": CANDIDATES, "history": HISTORY, "model": "worse"}
    ranked = rank(server.url, **asked, explain="en", k=3)
    checked = httpx.post(f"{server.url}/v1/rank/validate", json=asked).json()["ranking"]
    assert checked["model"] == ranked["model"]
    assert [item["id"] for item in checked["items"][:3]] == [item["id"] for item in ranked["items"]]
    assert all(item["explanation"]["because"] for item in ranked["items"])


def test_standing_policies_hold_for_it_too_and_the_page_knows_of_them(server: Server) -> None:
    found = rank(server.url, user="ann", model="worse")
    assert found["policies"].startswith("june@")
    assert found["policies"] == httpx.get(f"{server.url}/v1/page").json()["policies"]


def test_its_lists_are_not_logged(server: Server, folder: Path) -> None:
    beside = rank(server.url, user="bob", history=HISTORY, model="worse")["ranking_id"]
    serving = rank(server.url, user="bob", history=HISTORY)["ranking_id"]

    def logged() -> set[str]:
        if not all_segments(folder / "log"):
            return set()
        return set(read_log(folder / "log").shown.collect()["ranking_id"])

    wait_until(lambda: serving in logged())
    assert beside not in logged()


def test_a_new_item_is_known_to_it(server: Server) -> None:
    item = {"item_id": "new film", "title": "A new film", "genres": "Comedy"}
    assert httpx.post(f"{server.url}/v1/items", json=item, timeout=120).status_code == 200
    found = rank(server.url, user="ann", candidates=["50", "new film"], model="worse")
    assert not any("unknown" in item for item in found["items"])


def test_a_name_that_isnt_there_is_refused(server: Server) -> None:
    asked = {"candidates": CANDIDATES, "model": "worst"}
    for path in ("/v1/rank", "/v1/rank/validate"):
        refused = httpx.post(server.url + path, json=asked)
        assert refused.status_code == 422
        why = "no model is called 'worst'; this server has challenger, worse - at `$.model`"
        assert refused.json()["error"] == why
