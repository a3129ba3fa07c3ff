"""Clients of other makers, unchanged: Cohere's own, and litellm as it speaks to three kinds of server."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tailrank import api
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client, new_event
from tailrank.server.item_rerank import by_index

QUERY = "printer filament"
DOCUMENTS = ["a wooden chair", "PLA filament for 3D printers", "a box of pencils"]
ITEMS = ("1", "71", "no such film", "172", "181", "172")
KEY = "for-other-makers-0123"


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = tmp_path_factory.mktemp("state")
    with Server(model, state, TAILRANK_API_KEYS=f"read+write:{KEY}") as found:
        yield found.url


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody phone home; litellm would fetch a list of prices."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    connect, looked_up = socket.socket.connect, socket.getaddrinfo

    def only_here(self: socket.socket, address: Any) -> None:
        assert not isinstance(address, tuple) or address[0] == "127.0.0.1", address
        connect(self, address)

    def known(host: Any, *how: Any, **more: Any) -> Any:
        assert host in (None, "127.0.0.1", b"127.0.0.1"), host
        return looked_up(host, *how, **more)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(socket, "getaddrinfo", known)


class TestCohere:
    def test_the_first_version(self, url: str) -> None:
        from cohere import Client

        with Client(KEY, base_url=url) as client:
            found = client.rerank(query=QUERY, documents=DOCUMENTS, top_n=2, return_documents=True)
        assert found.results[0].index == 1
        assert len(found.results) == 2
        assert found.results[0].document.text == DOCUMENTS[1]
        assert found.meta.billed_units.search_units == 1

    def test_documents_with_fields(self, url: str) -> None:
        from cohere import Client

        documents = [{"title": text, "body": "any", "sku": str(at)} for at, text in enumerate(DOCUMENTS)]
        with Client(KEY, base_url=url) as client:
            found = client.rerank(
                query=QUERY, documents=documents, rank_fields=["title", "body"], return_documents=True
            )
        assert found.results[0].index == 1
        assert found.results[0].document.sku == "1"

    def test_the_second_version(self, url: str) -> None:
        from cohere import ClientV2

        client = ClientV2(KEY, base_url=url)
        found = client.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=1, max_tokens_per_doc=99)
        [best] = found.results
        assert (best.index, 0.5 < best.relevance_score <= 1) == (1, True)
        assert found.id

    def test_asyncio(self, url: str) -> None:
        from cohere import AsyncClientV2

        async def ask() -> Any:
            async with AsyncClientV2(KEY, base_url=url) as client:
                return await client.rerank(model="any", query=QUERY, documents=DOCUMENTS)

        assert asyncio.run(ask()).results[0].index == 1

    def test_refusals_are_theirs(self, url: str) -> None:
        from cohere import Client, UnauthorizedError, UnprocessableEntityError

        with Client("not-the-right-key-0123", base_url=url) as client, pytest.raises(UnauthorizedError):
            client.rerank(query=QUERY, documents=DOCUMENTS)
        with Client(KEY, base_url=url) as client, pytest.raises(UnprocessableEntityError, match="document 1"):
            client.rerank(query=QUERY, documents=["a", {"title": "no text"}])


class TestLitellm:
    """Each speaks to a path, and reads an answer, in its own way."""

    @pytest.mark.parametrize("provider", ["cohere", "jina_ai", "hosted_vllm"])
    def test_rerank(self, url: str, provider: str) -> None:
        import litellm

        litellm.telemetry = False
        found = litellm.rerank(
            model=f"{provider}/any",
            query=QUERY,
            documents=DOCUMENTS,
            top_n=2,
            return_documents=True,
            api_base=url,
            api_key=KEY,
        )
        assert found.results[0]["index"] == 1
        assert len(found.results) == 2
        assert found.results[0]["document"] == {"text": DOCUMENTS[1]}
        scores = [result["relevance_score"] for result in found.results]
        assert 1 >= scores[0] > scores[1] >= 0


@pytest.fixture(scope="module")
def ranked(url: str) -> list[int]:
    """Rank the items for a user of three films; gives their indices, those of one film together."""
    with Client(url, KEY) as client:
        client.add_events(*[new_event("fan", film) for film in ("50", "181", "172")])
        names = [item.id for item in client.rank(ITEMS, user="fan").items]
    assert names != list(dict.fromkeys(ITEMS))
    return [at for name in names for at, item in enumerate(ITEMS) if item == name]


class TestSearchEngines:
    """What docs/search.md tells Elasticsearch and OpenSearch to send, filled in as they fill it in."""

    @staticmethod
    def described(name: str) -> dict[str, Any]:
        """Read the description of a service that has a field of this name."""
        page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
        [found] = [
            block for block in re.findall(r"^```json\n(.*?)^```", page, re.M | re.S) if f'"{name}"' in block
        ]
        described: dict[str, Any] = json.loads(found)
        return described

    @staticmethod
    def send(url: str, service: Mapping[str, Any], request: str, values: Mapping[str, str]) -> Any:
        """Send a request of a template to what serves in the place of the page's example."""

        def filled(template: str) -> str:
            return re.sub(r"\$\{([\w.]+)\}", lambda name: values[name[1]], template)

        headers = {name: filled(value) for name, value in service["headers"].items()}
        address = service["url"].replace("https://tailrank.example.com", url)
        answer = httpx.post(address, content=filled(request), headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test_elasticsearch(self, url: str, ranked: list[int]) -> None:
        service = self.described("service_settings")["service_settings"]
        values = {"api_key": KEY, "query": json.dumps("fan"), "input": json.dumps(ITEMS)}
        found = self.send(url, service, service["request"], values)
        assert set(service["response"]["json_parser"].values()) == {
            "$.results[*].index",
            "$.results[*].relevance_score",
        }
        assert [one["index"] for one in found["results"]] == ranked
        scores = {one["index"]: one["relevance_score"] for one in found["results"]}
        assert scores[3] == scores[5]
        assert sorted(set(scores.values()), reverse=True) == [1 / rank for rank in range(1, 6)]

    def test_opensearch(self, url: str, ranked: list[int]) -> None:
        [service] = self.described("post_process_function")["actions"]
        documents = json.dumps(ITEMS)
        values = {"credential.key": KEY, "parameters.query": "fan", "parameters.documents": documents}
        found = self.send(url, service, service["request_body"], values)
        assert [one["index"] for one in found["results"]] == ranked
        assert all({"index", "relevance_score"} <= set(one) for one in found["results"])

    def test_what_a_policy_removed_has_0(self) -> None:
        items = [api.RankedItem("b", -1.0, 1, 2), api.RankedItem("c", 2.0, 2, 3)]
        ranking = api.Ranking("r", "m", 0.1, False, items, removed={"a": "sold out"})
        found = by_index(["a", "b", "c", "b"], ranking)
        assert [(one.index, one.relevance_score) for one in found.results] == [
            (1, 1.0),
            (3, 1.0),
            (2, 0.5),
            (0, 0.0),
        ]
        assert (found.id, found.meta) == ("r", {"degraded": False})

    def test_a_user_is_needed(self, url: str) -> None:
        answer = httpx.post(
            f"{url}/v1/rerank/items", json={"items": ["1"]}, headers={"Authorization": f"Bearer {KEY}"}
        )
        assert (answer.status_code, "user" in answer.text) == (422, True)
