"""Policies of a server: no request, worker or shortage of time gets around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from server_helpers import wait_until

from tailrank import api
from tailrank.benchmarks.connection import Connection
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.records import LogError
from tailrank.policy.file import read_policies
from tailrank.ranking.reranker import Reranker
from tailrank.server.loaded_model import LoadedModel

SHOP = pl.DataFrame(
    {
        "item_id": ["w1", "w2", "t1", "t2", "m1", "m2"],
        "title": ["Red wine", "White wine", "Green tea", "Black tea", "Tea mug", "Coffee mug"],
        "category": ["wine", "wine", "tea", "tea", "mugs", "mugs"],
        "stock": [5, 5, 5, 0, 5, 5],
    }
)
POLICIES = """
version = "june"

[[policy]]
name = "stock"

[[policy]]
name = "already-taken"
unless = "category = 'tea'"

[[rule]]
id = "dry"
when = "category = 'wine'"
then = "filter"
context = { market = ["sa", "kw"] }

[[rule]]
id = "mugs-first"
when = "category = 'mugs'"
then = "pin"
rank = 1
history = "category = 'tea'"

[[rule]]
id = "nothing"
when = "category = 'gin'"
then = "boost"
by = 1.0
"""
IDS = SHOP["item_id"].to_list()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rows = [
        (f"u{n}", IDS[(n + step) % 6], 1_700_000_000 + 3 * n + step) for n in range(12) for step in range(3)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    Reranker.fit(Dataset.construct(SHOP, events), None).save(folder / "model")
    (folder / "policies.toml").write_text(POLICIES)
    return folder


@pytest.fixture(scope="module")
def server(shop: Path) -> Iterator[Server]:
    file, log = str(shop / "policies.toml"), str(shop / "log")
    options = "--workers", "2", "--policies", file, "--log-impressions", log
    with Server(shop / "model", shop / "state", *options) as running:
        yield running


def rank(server: Server, **asked: Any) -> dict[str, Any]:
    response = httpx.post(f"{server.url}/v1/rank", json={"candidates": IDS, **asked})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("asked", [{}, {"policy": []}, {"policy": {"tail": 1.0}}, {"deadline_ms": 1e-6}])
def test_no_request_gets_around_them(server: Server, asked: dict[str, Any]) -> None:
    found = rank(server, context={"market": "sa"}, history=["t1", "m2"], **asked)
    assert found["degraded"] == ("deadline_ms" in asked)
    assert found["removed"] == {"t2": "sold out", "m2": "already taken", "w1": "rule dry", "w2": "rule dry"}
    assert [item["id"] for item in found["items"]] == ["m1", "t1"]
    assert found["policies"].startswith("june@")


def test_they_go_by_what_the_request_says_of_itself(server: Server) -> None:
    assert rank(server)["removed"] == {"t2": "sold out"}
    assert rank(server, context={"market": "de", "page": 3})["removed"] == {"t2": "sold out"}
    assert {item["id"] for item in rank(server, k=3, context={"market": "kw"})["items"]} == {"t1", "m1", "m2"}


def test_what_moved_an_item_is_explained(server: Server) -> None:
    candidates = [{"id": "w1", "score": 1.0}, {"id": "w2", "score": 0.9}, {"id": "m1", "score": 0.0}]
    first = rank(server, candidates=candidates, history=["t1"], explain=True)["items"][0]
    assert (first["id"], first["previous_rank"]) == ("m1", 3)
    assert first["contributions"]["rule mugs-first"] > 0
    assert sum(first["contributions"].values()) == pytest.approx(first["score"], abs=1e-4)


def test_the_log_says_which_version_ranked(server: Server, shop: Path) -> None:
    whole = rank(server, user="ann", policy=[{"name": "tail"}])
    late = rank(server, user="ann", deadline_ms=1e-6)
    wait_until(lambda: late["ranking_id"] in _logged(shop / "log"))
    logged = _logged(shop / "log")
    assert logged[whole["ranking_id"]] == ["tail", "stock", "already-taken", "rules", whole["policies"]]
    assert logged[late["ranking_id"]] == ["stock", "already-taken", "rules", whole["policies"]]


def _logged(folder: Path) -> dict[str, list[str]]:
    """Names of the steps of each ranking that is logged, by its id; none before anything is."""
    with suppress(LogError):
        return {row["ranking_id"]: row["policy"] for row in read_log(folder).shown.collect().to_dicts()}
    return {}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([{"name": "tial"}], "did you mean `tail`? - at `$.policy[0]`"),
        ([{"name": "tail"}, {"name": "stock", "column": 3}], "column must be text, not 3 - at `$.policy[1]`"),
        ([{"name": "stock", "column": "stok"}], "no column `stok`: did you mean `stock`?"),
        ([{"name": "rules", "rules": []}], "conditions on items come from a file"),
        ([{"name": "already-taken", "unless": "TRUE"}], "conditions on items come from a file"),
        ([{}] * 21, "length <= 20"),
        ("tail", "policy"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(server: Server, policy: Any, message: str) -> None:
    for path in ("rank", "rank/validate"):
        response = httpx.post(f"{server.url}/v1/{path}", json={"candidates": IDS, "policy": policy})
        assert (response.status_code, message in response.json()["error"]) == (422, True), response.text


def test_stock_that_changes_counts_in_the_next_ranking_of_every_worker(server: Server) -> None:
    lines = dict[int, Connection]()
    while len(lines) < 2:
        line = Connection(server.port)
        lines.setdefault(server.worker_of(line), line)
    item = {"item_id": "m1", "title": "Tea mug", "category": "mugs"}
    asked = {"candidates": IDS, "user": "bea"}
    before = [line.ask("/v1/rank", asked)["items"] for line in lines.values()]
    for stock, expected in ((0, {"m1", "t2"}), (3, {"t2"}), (False, {"m1", "t2"}), (None, {"t2"})):
        response = httpx.post(f"{server.url}/v1/items", json={**item, "stock": stock}, timeout=30)
        assert response.status_code == 200, response.text
        for line in lines.values():
            assert line.ask("/v1/rank", asked)["removed"].keys() == expected
    assert httpx.delete(f"{server.url}/v1/items/m1").status_code == 200
    httpx.post(f"{server.url}/v1/items", json={**item, "stock": 5}, timeout=30)
    wait_until(lambda: [line.ask("/v1/rank", asked)["items"] for line in lines.values()] == before)
    for line in lines.values():
        line.close()


def test_validation_says_what_would_happen_and_logs_nothing(server: Server, shop: Path) -> None:
    tail = {"name": "tail", "strength": 0.5}
    asked = api.RankRequest(
        [*IDS, "new"],
        user="cleo",
        history=["t1", "m2"],
        policy=[tail],
        context={"market": "sa", "markte": "x"},
        k=1,
    )
    with Client(server.url) as client:
        found = client.validate(asked)
        expected = client.rank(
            asked.candidates, history=asked.history, policy=[tail], context=asked.context, k=1
        )
    assert found.ranking.items == expected.items
    assert found.ranking.removed == expected.removed
    assert [(step.name, step.source) for step in found.steps] == [
        ("tail", "request"),
        ("stock", "server"),
        ("already-taken", "server"),
        ("rules", "server"),
    ]
    first, stock, taken, rules = found.steps
    assert first.settings == {"strength": 0.5}
    assert (stock.removed, taken.removed) == ({"t2": "sold out"}, {"m2": "already taken"})
    assert rules.removed == {"w1": "rule dry", "w2": "rule dry"}
    acting = {rule.id: (rule.then, set(rule.items)) for rule in rules.rules}
    assert acting == {"dry": ("filter", {"w1", "w2"}), "mugs-first": ("pin", {"m1", "m2"})}
    assert found.ranking.items[0].id == "m1"
    assert found.warnings == [
        "rule 'nothing': no item meets it",
        "context.markte: no rule reads it: did you mean `market`?",
        "candidate 'new': the model doesn't know it, so nothing but its id can be read",
    ]
    wait_until(lambda: expected.ranking_id in _logged(shop / "log"))
    assert found.ranking.ranking_id not in _logged(shop / "log")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[policy]]\nname = "stock"\ncolumn = "stok"', "no column `stok`: did you mean `stock`"),
        ('[[rule]]\nid = "a"\nwhen = "categry = 1"\nthen = "filter"', "no column `categry`"),
        (
            '[[rule]]\nid = "a"\nwhen = "stock > 1"\nthen = "filter"\n'
            '[[rule]]\nid = "b"\nwhen = "category = \'tea\'"\nthen = "pin"\nrank = 1',
            "rules 'a' (filter) and 'b' (pin) contradict each other: item 't1' meets both",
        ),
    ],
)
def test_what_does_not_fit_the_items_is_never_served(
    shop: Path, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(text)
    with pytest.raises(RequestError) as refused:
        LoadedModel.load(shop / "model", standing=read_policies(file).steps)
    assert message in str(refused.value)


def test_a_server_that_can_not_keep_its_policies_says_why(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text('[[policy]]\nname = "stock"\ncolumn = "stok"')
    options = "--policies", str(tmp_path / "policies.toml"), "--workers", "2"
    with pytest.raises(RequestError, match="error: stock: items have no column `stok`"):
        Server(shop / "model", tmp_path / "state", *options)
