"""The Python clients against a real server, and against small ones that fail in a known way."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
from search_responses import ELASTICSEARCH, OPENSEARCH

from tailrank import api, api_stored
from tailrank.benchmarks.launcher import Server, free_port
from tailrank.client import AsyncClient, Client, RefusedEntriesError, SearchPage, ServerError, new_event
from tailrank.data.histories import Event
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker

CANDIDATES = ["1", "50", "172", "174", "181", "210"]
RANKING = {"ranking_id": "r", "model": "m", "took_ms": 0.1, "degraded": False, "items": []}
Answer: TypeAlias = tuple[int, dict[str, str], object]
"""Status, headers and body."""

READ, WRITE = "only-to-be-read-0123", "for-everything-0123"


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = f"read:{READ},read+write:{WRITE}"
    with Server(model, tmp_path_factory.mktemp("state"), TAILRANK_API_KEYS=keys) as found:
        yield found.url


@contextmanager
def failing(*answers: Answer, port: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Run a server with these answers, the last one for ever; yields its address and what it received."""
    left, received = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])).decode())
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            time.sleep(float(headers.get("x-sleep", 0)))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(BrokenPipeError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", received
        finally:
            running.shutdown()


BUSY: Answer = (
    429,
    {"retry-after": "0"},
    {"error": "too many requests at once: try again"},
)
DOWN: Answer = (503, {}, {"error": "the disk is full"})
FINE: Answer = (200, {}, RANKING)


class TestAgainstAServer:
    def test_every_method(self, url: str) -> None:
        with Client(url, WRITE) as client:
            events = [new_event("ada", item) for item in ("50", "181", "unheard-of")]
            assert client.add_events(*events) == api_stored.EventsAccepted(3, 3)
            assert client.add_events(*events) == api_stored.EventsAccepted(3, 0)
            assert [each.item_id for each in client.history("ada").events] == ["50", "181", "unheard-of"]
            scored = [api.Candidate(name, float(at)) for at, name in enumerate(CANDIDATES)]
            found = client.rank(
                scored, user="ada", history=["172"], k=2, tail=0.5, explain=True, deadline_ms=5e3
            )
            assert (len(found.items), found.degraded) == (2, False)
            [best, _] = found.items
            assert isinstance(best.contributions, dict)
            assert sum(best.contributions.values()) == pytest.approx(best.score, abs=1e-4)
            version = client.put_items({"item_id": "new/1", "title": "Star Wars: A New Beginning"}).version
            assert client.rank(["new/1"], ranking_id="mine").items[0].unknown is not True
            assert client.rank(["new/1"], ranking_id="mine").ranking_id == "mine"
            assert client.delete_item("new/1").version == version + 1
            assert client.rank(["new/1"]).items[0].unknown is True
            texts = ["a box of pencils", "PLA filament for 3D printers"]
            [text] = client.rerank(texts, query="printer filament", top_n=1, return_documents=True).results
            assert (text.index, text.document) == (1, {"text": texts[1]})
            assert client.erase_user("ada") == api_stored.UserErased(True)
            assert client.history("ada").events == []

    @pytest.mark.parametrize("name", ["candidates", "history", "without"])
    def test_the_letters_of_a_string_are_no_ids(self, name: str, url: str) -> None:
        given: dict[str, Any] = {"candidates": ["50"], name: "p1,p2"}
        with Client(url, WRITE) as client, pytest.raises(RequestError, match=f"{name} must be a list"):
            client.rank(**given)

    def test_an_address_without_a_scheme_is_refused(self) -> None:
        with pytest.raises(ServerError, match="localhost:8000: write the server's address with http://"):
            Client("localhost:8000")

    def test_refused_entries_are_not_hidden(self, url: str) -> None:
        good, bad = new_event("cid", "50"), new_event("cid", "50", "x" * 101)
        with Client(url, WRITE) as client:
            with pytest.raises(
                RefusedEntriesError, match=r"took 2 .* refused 1: entry 1: .*event`"
            ) as refused:
                client.add_events(good, bad, new_event("cid", "181"))
            assert [one.index for one in refused.value.refused] == [1]
            assert refused.value.response.accepted == 2
            assert [each.item_id for each in client.history("cid").events] == ["50", "181"]
            with pytest.raises(RefusedEntriesError, match="entry 0: no text: the model reads `title`"):
                client.put_items({"item_id": "bare", "name": "Tea"}, {"item_id": "new/3", "title": "Tea"})
            assert client.delete_item("new/3").accepted == 1
            assert client.delete_item("new/3").accepted == 0
            with pytest.raises(ServerError, match=r"422: event 0: .*event`") as failed:
                client.add_events(bad)
            assert not isinstance(failed.value, RefusedEntriesError)

    def test_asyncio_has_the_same(self, url: str) -> None:
        async def both() -> None:
            async with AsyncClient(url, WRITE) as client:
                await client.add_events(new_event("bea/ä", "50"))
                history, found = await asyncio.gather(
                    client.history("bea/ä"), client.rank(CANDIDATES, user="bea/ä")
                )
                assert ([each.item_id for each in history.events], found.degraded) == (["50"], False)
                version = (await client.put_items({"item_id": "new/2", "title": "Tea"})).version
                assert (await client.delete_item("new/2")).version == version + 1
                assert (await client.rerank(["tea", "steel"], query="green tea")).results[0].index == 0
                assert await client.erase_user("bea/ä") == api_stored.UserErased(True)

        asyncio.run(both())
        public = {name for name in dir(Client) if not name.startswith("_")}
        assert public == {name for name in dir(AsyncClient) if not name.startswith("_")}
        for name in public:
            ours, theirs = (inspect.signature(getattr(client, name)) for client in (Client, AsyncClient))
            assert ours.parameters == theirs.parameters

    def test_keys(self, url: str) -> None:
        with Client(url) as nobody, pytest.raises(ServerError, match="401: no valid key") as refused:
            nobody.rank(CANDIDATES)
        assert refused.value.status == 401
        with Client(url, READ) as reader:
            assert len(reader.rank(CANDIDATES).items) == len(CANDIDATES)
            with pytest.raises(ServerError, match=r"403.*write") as refused:
                reader.add_events(new_event("ada", "50"))
        assert READ not in str(refused.value)

    def test_a_page_of_a_search_engine_is_ranked_as_its_items_are(self, url: str, reranker: Reranker) -> None:
        page = SearchPage(ELASTICSEARCH)
        with Client(url, WRITE) as client:
            client.add_events(new_event("dan", "50", "rating"), new_event("dan", "174", "rating"))
            found = page.reordered(client.rank(page.candidates, user="dan"))
            offers = SearchPage(OPENSEARCH, item_id="film.id")
            cheap = offers.reordered(client.rank(offers.candidates, user="dan", k=2))
        history = [Event("50", "rating"), Event("174", "rating")]
        expected = reranker.rank(history, page.item_ids, scores=page.scores)
        assert [hit["_id"] for hit in found["hits"]["hits"]] == expected.item_ids
        assert expected.item_ids != page.item_ids
        assert "never-heard-of" in expected.item_ids
        local = page.reordered(expected)
        assert local["tailrank"] == {"ranking_id": expected.ranking_id}
        for ours, theirs in zip(local["hits"]["hits"], found["hits"]["hits"], strict=True):
            assert ours["tailrank"] == pytest.approx(theirs["tailrank"], abs=1e-5)
            assert ours["_score"] == theirs["_score"]
        best = reranker.rank(history, offers.item_ids, k=2).item_ids
        shown = [hit["_id"] for hit in cheap["hits"]["hits"]]
        assert shown == [
            hit["_id"]
            for name in best
            for hit, item in zip(OPENSEARCH["hits"]["hits"], offers.item_ids, strict=True)
            if item == name
        ]

    def test_a_mistake_is_reported(self, url: str) -> None:
        with (
            Client(url, WRITE) as client,
            pytest.raises(ServerError, match=r"POST .*/v1/rank: 422: .*k") as refused,
        ):
            client.rank(CANDIDATES, k=0)
        assert refused.value.status == 422


class Rank(Protocol):
    def __call__(self, url: str, *, timeout: float = 5.0, retries: int = 3) -> api.Ranking: ...


def rank_blocking(url: str, *, timeout: float = 5.0, retries: int = 3) -> api.Ranking:
    with Client(url, timeout=timeout, retries=retries) as client:
        return client.rank(["a"], user="ada")


def rank_asynchronously(url: str, *, timeout: float = 5.0, retries: int = 3) -> api.Ranking:
    async def rank() -> api.Ranking:
        async with AsyncClient(url, timeout=timeout, retries=retries) as client:
            return await client.rank(["a"], user="ada")

    return asyncio.run(rank())


@pytest.mark.parametrize("rank", [rank_blocking, rank_asynchronously])
class TestFailures:
    def test_a_server_that_is_busy_or_down_is_received_again(self, rank: Rank) -> None:
        with failing(BUSY, DOWN, FINE) as (url, received):
            assert rank(url).ranking_id == "r"
        assert len(received) == 3
        assert len(set(received)) == 1

    def test_until_there_were_enough_attempts(self, rank: Rank) -> None:
        with failing(DOWN) as (url, received), pytest.raises(ServerError, match="503: the disk is full"):
            rank(url, retries=2)
        assert len(received) == 3

    def test_the_server_says_when(self, rank: Rank) -> None:
        with failing((429, {"retry-after": "1"}, {"error": ""}), FINE) as (url, _):
            started = time.monotonic()
            rank(url)
        assert time.monotonic() - started >= 1

    @pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500])
    def test_what_the_sender_must_mend_is_not_sent_again(self, rank: Rank, status: int) -> None:
        failure = pytest.raises(ServerError, match=f"{status}: like that")
        with failing((status, {}, {"error": "like that"})) as (url, received), failure as refused:
            rank(url)
        assert (len(received), refused.value.status) == (1, status)

    def test_a_server_that_starts_late(self, rank: Rank) -> None:
        port = free_port()
        found: list[api.Ranking] = []
        waiting = threading.Thread(
            target=lambda: found.append(rank(f"http://127.0.0.1:{port}", retries=30)), daemon=True
        )
        waiting.start()
        time.sleep(0.3)
        with failing(FINE, port=port):
            waiting.join(20)
        assert len(found) == 1

    def test_nobody_there(self, rank: Rank) -> None:
        with pytest.raises(ServerError, match="does the server run") as failed:
            rank(f"http://127.0.0.1:{free_port()}", retries=1)
        assert failed.value.status is None

    def test_too_slow(self, rank: Rank) -> None:
        failure = pytest.raises(ServerError, match=r"no answer.*[tT]ime")
        with failing((200, {"x-sleep": "0.5"}, RANKING)) as (url, _), failure as failed:
            rank(url, timeout=0.1, retries=1)
        assert failed.value.status is None

    @pytest.mark.parametrize("body", [b"<html>", b"", b"\xff", {"hits": []}])
    def test_somebody_else_s_server(self, rank: Rank, body: object) -> None:
        with (
            failing((200, {}, body)) as (url, _),
            pytest.raises(ServerError, match="not the response of a tailrank server"),
        ):
            rank(url)


def test_the_client_imports_neither_the_server_nor_the_models() -> None:
    code = "import sys, tailrank.client; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"uvicorn", "numpy", "polars", "lmdb"} & set(modules)
    rooms = {name.split(".")[1] for name in modules if name.startswith("tailrank.")}
    assert rooms == {
        "api",
        "api_conversation",
        "api_reports",
        "api_stored",
        "api_tasks",
        "api_texts",
        "bounds",
        "client",
        "errors",
    }
