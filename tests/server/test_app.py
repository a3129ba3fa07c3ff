"""HTTP around the endpoints: descriptions, metrics, keys, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server_helpers import rank

from tailrank.benchmarks.launcher import Server
from tailrank.server.routes import EXAMPLES

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana.json"
READ, WRITE = "only-to-be-read-0123", "for-everything-0123"


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log, inbox = (str(tmp_path_factory.mktemp(name)) for name in ("impressions", "inbox"))
    options = "--log-impressions", log, "--monitor-inbox", inbox
    with Server(model, tmp_path_factory.mktemp("state"), *options) as server:
        yield server.url


def test_every_example_of_the_description_works(url: str) -> None:
    found = httpx.get(f"{url}/openapi.json").json()
    bodies = {path: methods.get("post", {}).get("requestBody") for path, methods in found["paths"].items()}
    examples = {
        path: body["content"]["application/json"]["example"]
        for path, body in bodies.items()
        if body is not None and "example" in body["content"]["application/json"]
    }
    assert examples == EXAMPLES
    for path, example in examples.items():
        answer = httpx.post(url + path.replace("{model}", "any"), json=example, timeout=60)
        assert answer.status_code == 200, (path, answer.text)


def test_the_description_is_a_page_that_loads_nothing(url: str) -> None:
    page = httpx.get(f"{url}/docs").text
    assert "/v1/rank" in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_requests_and_items_are_counted(url: str) -> None:
    rank(url, history=["50"])
    found = httpx.get(f"{url}/metrics").text
    assert 'tailrank_request_seconds_count{endpoint="rank",status="200"}' in found
    assert 'tailrank_exposure_total{popularity="head"}' in found
    assert 'tailrank_model_info{model="movies@' in found


def test_the_dashboard_for_grafana_asks_for_every_metric_and_no_other(url: str) -> None:
    rank(url, history=["50"])
    families = re.findall(r"^# TYPE (\w+) (\w+)$", httpx.get(f"{url}/metrics").text, re.M)
    parts = {"histogram": ("_count", "_bucket"), "counter": ("",), "gauge": ("",)}
    named = {
        f"{name}{part}" for name, kind in families for part in parts[kind] if not name.endswith("_created")
    }
    panels = json.loads(GRAFANA.read_text(encoding="utf-8"))["panels"]
    queries = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))
    asked = set(re.findall(r"tailrank_\w+", queries))
    assert asked <= named
    assert named - asked == {"tailrank_event_lag_seconds_count"}


def test_unknown_paths_and_methods_are_refused(url: str) -> None:
    assert httpx.get(f"{url}/v2/everything").status_code == 404
    answer = httpx.get(f"{url}/v1/rank")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/metrics", "/v1/users/ada"]
)
def test_head_is_as_get_without_the_body(url: str, path: str) -> None:
    got, head = httpx.get(url + path), httpx.head(url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0
    refused = httpx.head(f"{url}/v1/rank")
    assert (refused.status_code, refused.content) == (405, b"")


def test_readiness_is_tried_once_a_second_at_most(url: str) -> None:
    def ranked() -> float:
        found = re.search(
            r"^tailrank_exposure_total.*head.* ([\d.]+)$", httpx.get(f"{url}/metrics").text, re.M
        )
        assert found
        return float(found[1])

    before, started = ranked(), time.monotonic()
    for _ in range(50):
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
    assert ranked() - before <= 2 * (time.monotonic() - started + 1)


RANKING = json.dumps({"candidates": ["1", "50"], "history": ["172"]}).encode()


class TestPackedBodies:
    @staticmethod
    def send(url: str, body: bytes, encoding: str) -> httpx.Response:
        return httpx.post(f"{url}/v1/rank", content=body, headers={"content-encoding": encoding})

    def test_gzip_is_unpacked(self, url: str) -> None:
        plain = self.send(url, RANKING, "identity").json()["items"]
        for name in ("gzip", "GZIP", "x-gzip"):
            assert self.send(url, gzip.compress(RANKING), name).json()["items"] == plain

    def test_up_to_the_limit_of_a_body(self, url: str) -> None:
        padded = RANKING[:-1] + b" " * 5_000_000 + b"}"
        answer = self.send(url, gzip.compress(padded), "gzip")
        assert (answer.status_code, "4 MB" in answer.json()["error"]) == (413, True)

    @pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
    def test_other_ways_are_refused_by_name(self, url: str, encoding: str) -> None:
        answer = self.send(url, RANKING, encoding)
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
        assert encoding in answer.json()["error"]

    @pytest.mark.parametrize(
        "body",
        [RANKING, gzip.compress(RANKING)[:-5], gzip.compress(RANKING) * 2],
        ids=["plain", "cut", "two members"],
    )
    def test_what_is_not_gzip_is_refused(self, url: str, body: bytes) -> None:
        answer = self.send(url, body, "gzip")
        assert (answer.status_code, "not gzip" in answer.json()["error"]) == (400, True)


def test_query_parameters(url: str) -> None:
    body = {"id": "1", "timestamp": 1_700_000_000_000, "items": [{"id": "1"}]}
    found = httpx.post(f"{url}/rank/any?explain=true&silent=true", json=body).json()
    assert found["items"][0]["features"]
    answer = httpx.post(f"{url}/rank/any?explain=yes", json=body)
    assert (answer.status_code, "true or false" in answer.text) == (422, True)
    answer = httpx.get(f"{url}/v1/alerts?limit=5")
    assert (answer.status_code, "`limit`: there are none" in answer.text) == (422, True)
    assert httpx.get(f"{url}/healthz?now=1").status_code == 200


def test_keys_and_their_rate_limit(model: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"read:{READ}\nread+write:{WRITE}\n")
    options = ["--keys", str(tmp_path / "keys"), "--rate-limit", "4"]
    with Server(model, tmp_path / "state", *options) as server:

        def status(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            return httpx.delete(f"{server.url}/v1/users/u", headers=headers).status_code

        assert [status(key) for key in ("guess", READ, WRITE)] == [401, 403, 200]
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        with httpx.Client(headers={"authorization": f"Bearer {WRITE}"}) as client:
            found = [client.post(f"{server.url}/v1/rank", json={"candidates": []}) for _ in range(50)]
        assert {answer.status_code for answer in found} == {200, 429}
