"""The server as its clients meet it: real processes, a real model of MovieLens, the real encoder."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tailrank.arrays import Floats
from tailrank.benchmarks.launcher import Server, free_port
from tailrank.cli.main import app
from tailrank.data.histories import Event
from tailrank.data.splits import Split
from tailrank.ranking.reranker import Reranker
from tailrank.state.base import StoredEvent
from tailrank.state.embedded import EmbeddedState

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000"]


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Server(model, tmp_path_factory.mktemp("state")) as found:
        yield found.url


def take(url: str, user: str, *items: str, **how: object) -> dict[str, object]:
    events = [
        {
            "event_id": f"{user} {item} {at}",
            "user_id": user,
            "item_id": item,
            "event": "rating",
            "timestamp": 1_700_000_000 + at,
            **how,
        }
        for at, item in enumerate(items)
    ]
    answer = httpx.post(f"{url}/v1/events", json=events)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ranked(url: str, **request: object) -> dict[str, object]:
    answer = httpx.post(f"{url}/v1/rank", json={"candidates": CANDIDATES, **request})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    assert not found["degraded"], found
    return found


class TestRank:
    def test_an_event_changes_the_next_ranking(self, url: str) -> None:
        before = ranked(url, user="ada")
        assert take(url, "ada", "50", "181", "172") == {"accepted": 3, "new": 3}
        after = ranked(url, user="ada")
        assert before["items"] != after["items"]
        assert after["items"] == ranked(url, history=["50", "181", "172"])["items"] or after["items"]
        assert before["ranking_id"] != after["ranking_id"]

    def test_an_event_that_comes_again_counts_once(self, url: str) -> None:
        assert take(url, "bea", "50") == {"accepted": 1, "new": 1}
        assert take(url, "bea", "50") == {"accepted": 1, "new": 0}

    def test_only_so_many_and_with_reasons(self, url: str) -> None:
        found = ranked(url, history=["50"], k=3, explain=True, policy={"tail": 1.0})
        assert len(found["items"]) == 3
        for item in found["items"]:
            assert sum(item["contributions"].values()) == pytest.approx(item["score"], abs=1e-4)
            assert "long-tail" in item["contributions"]

    def test_no_candidates(self, url: str) -> None:
        assert ranked(url, candidates=[])["items"] == []

    def test_too_late_is_worse_than_not_re_ordered(self, url: str) -> None:
        answer = httpx.post(f"{url}/v1/rank", json={"candidates": CANDIDATES, "deadline_ms": 1e-6}).json()
        assert (answer["degraded"], answer["reason"]) == (True, "deadline")
        assert [item["id"] for item in answer["items"]] == CANDIDATES

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            (b"{", 400, "JSON"),
            (b"", 400, "JSON"),
            (b'{"user":"\xff","candidates":[]}', 400, "JSON"),
            (b'{"user":"\\ud800","candidates":[]}', 400, ""),
            (b"[" * 100_000, 422, "object"),
            (b'{"candidates":["1"],"user":1}', 422, "str"),
            (b'{"candidates":[{"id":"1","score":NaN}]}', 400, "JSON"),
            (b'{"candidates":[' + b'"1",' * 2_000 + b'"1"]}', 422, "2000"),
            (b'{"candidates":["1"],"policy":{"tail":2}}', 422, "tail"),
            ('{"candidates":["1"],"user":"%s"}' % ("ä" * 300), 422, "400 bytes"),
            (b"x" * 5_000_000, 413, "MB"),
        ],
    )
    def test_bad_requests_cost_nothing(self, url: str, body: bytes | str, status: int, said: str) -> None:
        answer = httpx.post(f"{url}/v1/rank", content=body)
        assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text


class TestItems:
    def test_a_new_item_can_be_ranked_at_once(self, url: str) -> None:
        item = {"item_id": "new", "title": "Star Wars: A New Beginning", "genres": ["Action", "Sci-Fi"]}
        started = time.perf_counter()
        assert httpx.post(f"{url}/v1/items", json=item, timeout=60).status_code == 200
        first = time.perf_counter() - started
        found = ranked(url, candidates=["new", "1", "1000"], history=["50", "172", "181"])
        assert all("unknown" not in each for each in found["items"])
        started = time.perf_counter()
        assert httpx.post(f"{url}/v1/items", json={**item, "title": "A Room with a View"}).status_code == 200
        assert time.perf_counter() - started < max(0.5, first)
        assert httpx.delete(f"{url}/v1/items/new").status_code == 200
        found = ranked(url, candidates=["new", "1"])
        assert [each["id"] for each in found["items"] if "unknown" in each] == ["new"]

    def test_items_need_an_id(self, url: str) -> None:
        answer = httpx.post(f"{url}/v1/items", json=[{"item_id": "a"}, {"title": "nameless"}])
        assert (answer.status_code, "item 1" in answer.text) == (422, True)


class TestRerank:
    DOCUMENTS = ("a wooden chair", "PLA filament for 3D printers", "a box of pencils")

    def test_documents_are_ordered_by_the_query(self, url: str) -> None:
        body = {"model": "x", "query": "printer filament", "documents": self.DOCUMENTS, "top_n": 2}
        answer = httpx.post(f"{url}/v1/rerank", json={**body, "return_documents": True}, timeout=60).json()
        assert answer["results"][0]["index"] == 1
        assert len(answer["results"]) == 2
        assert answer["results"][0]["document"] == {"text": self.DOCUMENTS[1]}
        assert all(0 <= result["relevance_score"] <= 1 for result in answer["results"])

    def test_or_by_the_person(self, url: str) -> None:
        take(url, "carl", "50", "181", "172")
        documents = ["Wedding dresses through the ages", "Star Wars: the battle of the starships"]
        answer = httpx.post(
            f"{url}/v1/rerank", json={"user": "carl", "documents": documents}, timeout=60
        ).json()
        assert answer["results"][0]["index"] == 1

    def test_something_to_order_by(self, url: str) -> None:
        answer = httpx.post(f"{url}/v1/rerank", json={"documents": ["a"]})
        assert (answer.status_code, "query" in answer.text) == (422, True)


class TestPeople:
    def test_export_and_erase(self, url: str) -> None:
        take(url, "dora/1 ä", "50", "nothing-known")
        path = f"{url}/v1/users/dora%2F1%20%C3%A4"
        events = httpx.get(path).json()["events"]
        assert [event["item_id"] for event in events] == ["50", "nothing-known"]
        assert [event["timestamp"] for event in events] == [1_700_000_000, 1_700_000_001]
        assert httpx.get(f"{path}/history").json()["events"] == events
        assert httpx.delete(path).json() == {"erased": True}
        assert httpx.delete(path).json() == {"erased": False}
        assert httpx.get(path).json()["events"] == []


class TestOperations:
    def test_what_can_be_asked_is_described(self, url: str) -> None:
        found = httpx.get(f"{url}/openapi.json").json()
        for path, methods in found["paths"].items():
            example = (
                methods.get("post", {})
                .get("requestBody", {})
                .get("content", {})
                .get("application/json", {})
                .get("example")
            )
            if example is not None:
                answer = httpx.post(url + path.replace("{model}", "any"), json=example, timeout=60)
                assert answer.status_code == 200, (path, answer.text)
        page = httpx.get(f"{url}/docs").text
        assert "/v1/rank" in page
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)

    def test_what_is_counted(self, url: str) -> None:
        ranked(url, history=["50"])
        found = httpx.get(f"{url}/metrics").text
        assert 'tailrank_request_seconds_count{endpoint="rank",status="200"}' in found
        assert 'tailrank_exposure_total{popularity="head"}' in found
        assert 'tailrank_model_info{model="movies@' in found

    def test_paths_and_methods_that_are_not(self, url: str) -> None:
        assert httpx.get(f"{url}/v2/everything").status_code == 404
        answer = httpx.get(f"{url}/v1/rank")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    def test_pages_of_others_may_not_write(self, url: str) -> None:
        answer = httpx.delete(f"{url}/v1/users/ada", headers={"origin": "https://example.org"})
        assert answer.status_code == 403

    def test_keys(self, model: Path, tmp_path: Path) -> None:
        (tmp_path / "keys").write_text("read:only-to-be-read-0123\nread+write:for-everything-0123\n")
        with Server(
            model, tmp_path / "state", "--keys", str(tmp_path / "keys"), "--rate-limit", "20"
        ) as server:
            url = server.url

            def status(key: str) -> int:
                headers = {"authorization": f"Bearer {key}"}
                return httpx.delete(f"{url}/v1/users/u", headers=headers).status_code

            assert [status(k) for k in ("guess", "only-to-be-read-0123", "for-everything-0123")] == [
                401,
                403,
                200,
            ]
            assert httpx.get(f"{url}/healthz").status_code == 200
            headers = {"authorization": "Bearer for-everything-0123"}
            with httpx.Client(headers=headers) as client:
                found = [client.post(f"{url}/v1/rank", json={"candidates": []}) for _ in range(100)]
            assert {answer.status_code for answer in found} == {200, 429}

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--host", "0.0.0.0"], "--keys"),
            (["--model", "nowhere"], "nowhere"),
            (["--state", "ftp://example.org"], "ftp"),
            (["--workers", "0"], "--workers"),
            (["--host", "203.0.113.1", "--keys", "KEYS"], "can't listen"),
        ],
    )
    def test_mistakes_at_the_start(self, model: Path, tmp_path: Path, options: list[str], said: str) -> None:
        (tmp_path / "KEYS").write_text("read:a-key-of-some-length\n")
        given = {"--model": str(model), "--state": "state", "--port": str(free_port())}
        given |= dict(zip(options[::2], options[1::2], strict=True))
        words = [word for pair in given.items() for word in pair]
        done = subprocess.run(
            [str(Path(sys.executable).parent / "tailrank"), "serve", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
        )
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), (
            done.stderr
        )

    def test_a_server_that_only_ranks_is_light(self, model: Path, tmp_path: Path) -> None:
        with Server(model, tmp_path) as server:
            ranked(server.url, history=["50"])
            mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "libtorch" not in mapped


class TestNewModels:
    def test_a_new_model_serves_without_a_restart(
        self, model: Path, movielens_split: Split, movielens_vectors: Floats, tmp_path: Path
    ) -> None:
        shutil.copytree(model, tmp_path / "movies")
        other = Reranker.fit(movielens_split, None)
        with Server(tmp_path / "movies", tmp_path / "state") as server:
            url = server.url
            before = ranked(url)["model"]
            other.save(tmp_path / "movies")
            after = _awaited(lambda: ranked(url)["model"], before)
            manifest = tmp_path / "movies" / "manifest.json"
            shutil.copytree(tmp_path / "movies", tmp_path / "aside")
            (tmp_path / "aside" / "signals.safetensors").write_bytes(b"half")
            (tmp_path / "movies").rename(tmp_path / "old")
            (tmp_path / "aside").rename(tmp_path / "movies")
            _awaited(lambda: "tailrank_models_refused_total 1.0" in httpx.get(f"{url}/metrics").text, False)
            assert ranked(url)["model"] == after
            assert manifest.exists()


class TestWorkers:
    def test_what_one_worker_keeps_the_others_know(self, model: Path, tmp_path: Path) -> None:
        with Server(model, tmp_path / "state", "--workers", "2") as server:
            url = server.url
            for turn in range(40):
                with httpx.Client() as one, httpx.Client() as other:
                    user = f"u{turn}"
                    event = {
                        "event_id": "1",
                        "user_id": user,
                        "item_id": "50",
                        "event": "rating",
                        "timestamp": 1.0,
                    }
                    assert one.post(f"{url}/v1/events", json=event).status_code == 200
                    found = other.get(f"{url}/v1/users/{user}").json()["events"]
                    assert [e["item_id"] for e in found] == ["50"]
            metrics = httpx.get(f"{url}/metrics").text
            assert "tailrank_events_total 40.0" in metrics


def _awaited(read, old):
    """Wait until something is no longer what it was."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = read()
        if found != old:
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {old!r}")


def test_the_command_line_reads_what_a_server_keeps(model: Path, reranker: Reranker, tmp_path: Path) -> None:
    async def keep() -> None:
        state = EmbeddedState(tmp_path / "state")
        await state.append(
            [StoredEvent(str(at), "ada", item, "seen", at) for at, item in enumerate(["50", "?", "181"])]
        )
        await state.close()

    asyncio.run(keep())
    words = [
        "rank",
        "--model",
        model,
        "--user",
        "ada",
        "--state",
        tmp_path / "state",
        "--candidates",
        "1,172,174",
    ]
    found = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    rows = [line.split() for line in found.output.splitlines() if line.strip()[:1].isdigit()]
    events = [Event("50", None, 0.0), Event("181", None, 2.0)]
    assert [row[2] for row in rows] == [item.item_id for item in reranker.rank(events, ["1", "172", "174"])]
