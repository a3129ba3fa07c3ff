"""HTTP around the endpoints: descriptions, metrics, keys, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server_helpers import rank

from tailrank.benchmarks.launcher import Server

READ, WRITE = "only-to-be-read-0123", "for-everything-0123"


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Server(model, tmp_path_factory.mktemp("state")) as server:
        yield server.url


def test_every_example_of_the_description_works(url: str) -> None:
    found = httpx.get(f"{url}/openapi.json").json()
    bodies = {path: methods.get("post", {}).get("requestBody") for path, methods in found["paths"].items()}
    examples = {
        path: body["content"]["application/json"]["example"]
        for path, body in bodies.items()
        if body is not None and "example" in body["content"]["application/json"]
    }
    assert len(examples) == 6
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


def test_unknown_paths_and_methods_are_refused(url: str) -> None:
    assert httpx.get(f"{url}/v2/everything").status_code == 404
    answer = httpx.get(f"{url}/v1/rank")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_pages_of_other_sites_may_not_write(url: str) -> None:
    answer = httpx.delete(f"{url}/v1/users/ada", headers={"origin": "https://example.org"})
    assert answer.status_code == 403


def test_keys_and_their_rate_limit(model: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"read:{READ}\nread+write:{WRITE}\n")
    options = ["--keys", str(tmp_path / "keys"), "--rate-limit", "20"]
    with Server(model, tmp_path / "state", *options) as server:

        def status(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            return httpx.delete(f"{server.url}/v1/users/u", headers=headers).status_code

        assert [status(key) for key in ("guess", READ, WRITE)] == [401, 403, 200]
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        with httpx.Client(headers={"authorization": f"Bearer {WRITE}"}) as client:
            found = [client.post(f"{server.url}/v1/rank", json={"candidates": []}) for _ in range(100)]
        assert {answer.status_code for answer in found} == {200, 429}
