"""What each endpoint does: a real server, a real model of MovieLens, the real encoder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from server_helpers import CANDIDATES, START, rank, store
from typer.testing import CliRunner

from tailrank import api
from tailrank.api import Language
from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app
from tailrank.client import Client
from tailrank.data.histories import Event
from tailrank.language.encoder import TextEncoder
from tailrank.policy.tail import TailBoost
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.counterfactual import counterfactual
from tailrank.ranking.reasons import because, item_titles, why_above, why_there
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.state.base import StoredEvent
from tailrank.state.embedded import EmbeddedState


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Server(model, tmp_path_factory.mktemp("state")) as server:
        yield server.url


class TestRank:
    def test_an_event_changes_the_next_ranking(self, url: str) -> None:
        before = rank(url, user="ada")
        items = ["50", "181", "172"]
        assert store(url, "ada", *items) == {"accepted": 3, "new": 3}
        after = rank(url, user="ada")
        assert before["items"] != after["items"]
        assert before["ranking_id"] != after["ranking_id"]
        history = [
            {"item_id": item, "event": "rating", "timestamp": START + at} for at, item in enumerate(items)
        ]
        assert after["items"] == rank(url, history=history)["items"]

    def test_an_event_that_is_repeated_counts_once(self, url: str) -> None:
        assert store(url, "bea", "50") == {"accepted": 1, "new": 1}
        assert store(url, "bea", "50") == {"accepted": 1, "new": 0}

    def test_it_says_how_long_a_history_it_used_and_whether_the_user_is_unknown(self, url: str) -> None:
        def said(**request: object) -> tuple[int, bool]:
            found = rank(url, **request)
            return found["history_length"], found.get("unknown_user", False)

        store(url, "eva", "50", "no such film", "181")
        assert said(user="eva") == (2, False)
        assert said(session="eva", history=["172", "?"]) == (3, False)
        assert said(user="nobody") == (0, True)
        assert said(user="nobody", history=["50"]) == (1, True)
        assert said(history=["50"] * 60) == (50, False)
        assert said() == (0, False)

    def test_only_so_many_and_with_reasons(self, url: str) -> None:
        found = rank(url, history=["50"], k=3, explain=True, policy={"tail": 1.0})
        assert len(found["items"]) == 3
        for item in found["items"]:
            assert sum(item["contributions"].values()) == pytest.approx(item["score"], abs=1e-4)
            assert "tail" in item["contributions"]

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_sentences_in_the_language_asked_for(
        self, url: str, reranker: Reranker, language: Language
    ) -> None:
        candidates, history = [*CANDIDATES, "no such film"], ["50", "?", "181"]
        asked = {"candidates": candidates, "history": history, "policy": {"tail": 0.5}}
        found = rank(url, **asked, explain=language)
        plain = rank(url, **asked, explain=True)
        assert msgspec.convert(found, api.Ranking).events == found["events"] == ["50", "181"]
        assert "events" not in plain
        explained = reranker.explain(history, candidates, policy=(TailBoost(0.5),))
        titles = item_titles(reranker.catalogue.items)
        for item, before, one, following in zip_longest(
            found["items"], plain["items"], explained, explained[1:]
        ):
            told = item.pop("explanation")
            assert item == before
            assert told["because"] == because(one, titles, language)
            assert told.get("above") == (following and why_above(Contrast(one, following), titles, language))
            assert told["by_event"].keys() == one.by_event.keys()
            for name, shares in one.by_event.items():
                assert told["by_event"][name] == pytest.approx(shares)
            assert [tuple(move.values()) for move in told["moves"]] == list(one.moves)
            assert told["moves"][-1]["after"] == item["rank"]

    def test_only_the_first_items_are_explained_in_full(self, url: str) -> None:
        found = rank(url, candidates=[str(film) for film in range(1, 40)], explain="en")["items"]
        assert ["explanation" in item for item in found] == [True] * 20 + [False] * 19
        assert rank(url, candidates=[], explain="en")["items"] == []
        answer = httpx.post(f"{url}/v1/rank", json={"candidates": ["1"], "explain": "fr"})
        assert (answer.status_code, "$.explain" in answer.text) == (422, True)

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_which_events_an_item_owes_its_rank_to(
        self, url: str, reranker: Reranker, language: Language
    ) -> None:
        history = ["50", "181", "?", "172", "100"]
        found = set[object]()
        with Client(url) as client:
            for item in rank(url, history=history, k=3)["items"]:
                asked = client.rank(
                    CANDIDATES, history=history, k=3, explain=language, counterfactual=item["id"]
                )
                told = asked.counterfactual
                expected = counterfactual(reranker, Request(history, CANDIDATES), item["id"], 3)
                found.add(expected is None)
                if expected is None:
                    assert told is None
                    continue
                assert isinstance(told, api.Counterfactual)
                titles = item_titles(reranker.catalogue.items)
                assert told.why == why_there(expected, titles, language)
                assert (told.rank, told.rank_without) == (expected.rank, expected.rank_without)
                assert tuple(event.item_id for event in told.events) == expected.event_items
                left = [name for at, name in enumerate(history) if at not in expected.events]
                assert item["id"] not in [
                    each.id for each in client.rank(CANDIDATES, history=left, k=3).items
                ]
            last = client.rank(CANDIDATES, history=history).items[-1].id
            assert client.rank(CANDIDATES, history=history, k=3, counterfactual=last).counterfactual is None
        assert False in found

    def test_no_candidates(self, url: str) -> None:
        assert rank(url, candidates=[])["items"] == []

    def test_too_late_is_worse_than_not_re_ordered(self, url: str) -> None:
        answer = httpx.post(f"{url}/v1/rank", json={"candidates": CANDIDATES, "deadline_ms": 1e-6}).json()
        assert (answer["degraded"], answer["reason"]) == (True, "deadline")
        assert [item["id"] for item in answer["items"]] == CANDIDATES

    @pytest.mark.parametrize(
        ("body", "status", "error"),
        [
            (b"{", 400, "JSON"),
            (b"", 400, "JSON"),
            (b'{"user":"\xff","candidates":[]}', 400, "JSON"),
            (b'{"user":"\\ud800","candidates":[]}', 400, "JSON"),
            (b"[" * 100_000, 422, "object"),
            (b'{"candidates":["1"],"user":1}', 422, "str"),
            (b'{"candidates":[{"id":"1","score":NaN}]}', 400, "JSON"),
            (b'{"candidates":[' + b'"1",' * 2_000 + b'"1"]}', 422, "2000"),
            (b'{"candidates":["1"],"policy":{"tail":2}}', 422, "tail"),
            ('{"candidates":["1"],"user":"%s"}' % ("ä" * 300), 422, "400 bytes"),
            (b'{"candidates":["1"],"counterfactual":"1"}', 422, "give `k`, and no `deadline_ms`"),
            (b'{"candidates":["1"],"counterfactual":"1","k":1,"deadline_ms":9}', 422, "no `deadline_ms`"),
            (b'{"candidates":["1"],"counterfactual":"2","k":1}', 422, "none of the candidates"),
            (
                b'{"candidates":["1"],"history":["1",{"item_id":"1","timestamp":1700000}]}',
                422,
                "timestamp 1700000 is before 1990: send seconds since 1970 - at `$.history[1].timestamp`",
            ),
            (
                b'{"candidates":["1"],"history":[{"item_id":"1","timestamp":1.7e12}]}',
                422,
                "timestamp 1700000000000 is in the future: send seconds since 1970",
            ),
            (b"x" * 5_000_000, 413, "MB"),
        ],
    )
    def test_bad_requests_are_refused(self, url: str, body: bytes | str, status: int, error: str) -> None:
        answer = httpx.post(f"{url}/v1/rank", content=body)
        assert answer.status_code == status, answer.text
        assert error in answer.json()["error"]


def event(**changed: object) -> dict[str, object]:
    known = {"event_id": "e", "user_id": "u", "item_id": "50", "event": "click", "timestamp": START}
    return {**known, **changed}


BAD: dict[str, tuple[object, str]] = {
    "timestamp": (event(timestamp=1.7e12), "in the future: send seconds since 1970"),
    "event_id": (event(event_id="ä" * 300), "event_id is longer than 400 bytes"),
    "item_id": (event(item_id=50), "Expected `str`"),
    "user": (event(user="u"), "did you mean `user_id`"),
    "event": ({"event_id": "e", "user_id": "u", "item_id": "50", "timestamp": 1}, "required field `event`"),
}


class TestVerdicts:
    def test_a_bad_event_costs_the_others_nothing(self, url: str) -> None:
        faulty = [body for body, _ in BAD.values()]
        good = [event(event_id="a", user_id="fay"), event(event_id="b", user_id="fay", item_id="181")]
        answer = httpx.post(f"{url}/v1/events", json=[good[0], *faulty, 7, good[1]])
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["accepted"], found["new"]) == (2, 2)
        assert [each["index"] for each in found["refused"]] == [1, 2, 3, 4, 5, 6]
        assert [each.get("field") for each in found["refused"]] == [*BAD, None]
        for each, (_, why) in zip(found["refused"], BAD.values(), strict=False):
            assert why in each["error"]
        events = httpx.get(f"{url}/v1/users/fay").json()["events"]
        assert [each["item_id"] for each in events] == ["50", "181"]

    @pytest.mark.parametrize(("body", "why"), BAD.values(), ids=BAD)
    def test_if_all_are_bad_the_request_is(self, url: str, body: dict[str, object], why: str) -> None:
        for sent in (body, [body], [{**body, "event_id": "ü" * 300}, body]):
            answer = httpx.post(f"{url}/v1/events", json=sent)
            assert (answer.status_code, why in answer.json()["error"]) == (422, True), answer.text
        assert httpx.get(f"{url}/v1/users/u").json()["events"] == []

    def test_of_many_faults_a_few_are_named(self, url: str) -> None:
        error = httpx.post(f"{url}/v1/events", json=[7] * 1_000).json()["error"]
        assert error.startswith("event 0: ")
        assert error.endswith("; 997 more")

    def test_no_entries_and_no_json_are_as_before(self, url: str) -> None:
        assert httpx.post(f"{url}/v1/events", json=[]).json() == {"accepted": 0, "new": 0}
        assert httpx.post(f"{url}/v1/events", content=b"[{},").status_code == 400
        assert httpx.post(f"{url}/v1/events", json=[7] * 1_001).status_code == 422

    def test_items(self, url: str) -> None:
        items = [{"item_id": "good", "title": "Tea"}, {"title": "Coffee"}, {"item_id": "bare"}, 7]
        found = httpx.post(f"{url}/v1/items", json=items, timeout=60).json()
        assert (found["accepted"], [each["index"] for each in found["refused"]]) == (1, [1, 2, 3])
        assert [each.get("field") for each in found["refused"]] == ["item_id", None, None]
        ranked = rank(url, candidates=["good", "bare"])["items"]
        assert [each["id"] for each in ranked if "unknown" in each] == ["bare"]
        httpx.delete(f"{url}/v1/items/good")

    def test_metarank(self, url: str) -> None:
        click = {"event": "interaction", "id": "i", "type": "click", "timestamp": 1_700_000_000_000}
        click = {**click, "user": "gus", "item": "50"}
        body = [{**click, "item": 5}, click, {"event": "item", "id": "x", "item": "x", "timestamp": 1}]
        found = httpx.post(f"{url}/feedback", json=body).json()
        assert (found["status"], found["accepted"], found["updated"]) == ("ok", 1, 1)
        assert [each["index"] for each in found["refused"]] == [0, 2]
        assert httpx.post(f"{url}/feedback", json=[body[0]]).status_code == 422

    def test_times_may_be_iso_8601(self, url: str) -> None:
        texts = ["2024-01-31T09:30:00Z", "2024-01-31T10:31:00+01:00", "2024-01-31 09:32:00 UTC", "2024-02-01"]
        body = [event(event_id=text, user_id="hal", timestamp=text) for text in texts]
        assert httpx.post(f"{url}/v1/events", json=body).json() == {"accepted": 4, "new": 4}
        events = httpx.get(f"{url}/v1/users/hal").json()["events"]
        midday = 1_706_693_400
        assert [each["timestamp"] for each in events] == [midday, midday + 60, midday + 120, 1_706_745_600]
        history = [{"item_id": "50", "timestamp": text} for text in texts]
        assert rank(url, history=history)["items"]


class TestUnknownNames:
    @pytest.mark.parametrize(
        ("path", "body", "meant"),
        [
            ("/v1/rank", {"candidates": [], "histroy": []}, "history"),
            ("/v1/rank", {"candidates": [], "userid": "ada"}, "user"),
            ("/v1/rank", {"candidates": [], "policy": {"tial": 1}}, "tail"),
            ("/v1/rank", {"candidates": [], "tail": 1}, "policy.tail"),
            ("/v1/rank", {"candidates": [], "scores": [1]}, "candidates.score"),
            ("/v1/rank", {"candidates": [{"id": "1", "scroe": 1}]}, "score"),
            ("/v1/rank", {"candidates": [], "history": [{"item_id": "1", "time_stamp": 1}]}, "timestamp"),
            ("/v1/rerank", {"documents": ["a"], "qurey": "b"}, "query"),
            ("/v1/events", {"eventId": "1"}, "event_id"),
            ("/v1/events", {"ITEM-ID": "1"}, "item_id"),
            ("/rank/any", {"id": "1", "timestamp": 1, "usr": "a", "items": []}, "user"),
            ("/rank/any?explian=true", {"id": "1", "timestamp": 1, "items": []}, "explain"),
        ],
    )
    def test_are_refused_with_the_nearest(self, url: str, path: str, body: object, meant: str) -> None:
        answer = httpx.post(f"{url}{path}", json=body)
        assert answer.status_code == 422, answer.text
        assert f"did you mean `{meant}`?" in answer.json()["error"]

    def test_without_a_near_one_all_are_named(self, url: str) -> None:
        error = httpx.post(f"{url}/v1/rank", json={"candidates": [], "policy": {"diversity": 1}}).text
        assert "there are `tail`" in error
        assert "there are `candidates`" in httpx.post(f"{url}/v1/rank", json={"items": ["1"]}).text

    @pytest.mark.parametrize("name", ["x" * 100_000, "` - at `$.nope", "` - at `$" * 10_000, "`", "\n", "ü"])
    def test_whatever_the_name_the_answer_is_short(self, url: str, name: str) -> None:
        for body in ({name: 1}, {"candidates": [], "policy": {name: 1}}):
            answer = httpx.post(f"{url}/v1/rank", json=body)
            assert (answer.status_code, len(answer.text) < 600) == (422, True)
        answer = httpx.post(f"{url}/feedback", json={"event": name * 2, "id": "1"})
        assert (answer.status_code, len(answer.text) < 600) == (422, True)


def test_event_types_are_stored_however_many_there_are(url: str) -> None:
    events = [
        {"event_id": f"{n}", "user_id": f"fay{n}", "item_id": "50", "event": f"type {n}", "timestamp": START}
        for n in range(300)
    ]
    assert httpx.post(f"{url}/v1/events", json=events).json() == {"accepted": 300, "new": 300}
    [last] = httpx.get(f"{url}/v1/users/fay299").json()["events"]
    assert last["event"] == "type 299"


@pytest.mark.parametrize(
    ("seconds", "fault"),
    [
        (20240131, "timestamp 20240131 is before 1990"),
        (START * 1000, f"timestamp {START * 1000:.0f} is in the future"),
        (4e9, "timestamp 4000000000 is in the future"),
    ],
)
def test_a_time_at_which_nothing_can_have_happened_is_refused(url: str, seconds: float, fault: str) -> None:
    event = {"event_id": "1", "user_id": "tim", "item_id": "50", "event": "view", "timestamp": seconds}
    answer = httpx.post(f"{url}/v1/events", json=event)
    assert answer.status_code == 422
    assert f"{fault}: send seconds since 1970" in answer.json()["error"]
    assert httpx.get(f"{url}/v1/users/tim").json()["events"] == []


def test_a_clock_that_is_a_little_ahead_does_not_stay_the_latest(url: str) -> None:
    event = {
        "event_id": "1",
        "user_id": "zoe",
        "item_id": "50",
        "event": "view",
        "timestamp": time.time() + 3600,
    }
    now = {**event, "event_id": "2", "item_id": "181"}
    assert httpx.post(f"{url}/v1/events", json=event).json() == {"accepted": 1, "new": 1}
    assert httpx.post(f"{url}/v1/events", json={**now, "timestamp": time.time()}).json()["new"] == 1
    events = httpx.get(f"{url}/v1/users/zoe").json()["events"]
    assert [event["item_id"] for event in events] == ["50", "181"]


class TestItems:
    ITEM = {"item_id": "new", "title": "Star Wars: A New Beginning", "genres": ["Action", "Sci-Fi"]}  # noqa: RUF012

    def test_a_new_item_can_be_ranked_at_once(self, url: str) -> None:
        assert httpx.post(f"{url}/v1/items", json=self.ITEM, timeout=60).status_code == 200
        found = rank(url, candidates=["new", "1", "1000"], history=["50", "172", "181"])
        assert all("unknown" not in each for each in found["items"])
        assert httpx.delete(f"{url}/v1/items/new").status_code == 200
        found = rank(url, candidates=["new", "1"])
        assert [each["id"] for each in found["items"] if "unknown" in each] == ["new"]

    @pytest.mark.slow
    def test_a_new_item_takes_little_time(self, url: str) -> None:
        assert httpx.post(f"{url}/v1/items", json=self.ITEM, timeout=60).status_code == 200
        started = time.perf_counter()
        response = httpx.post(f"{url}/v1/items", json={**self.ITEM, "title": "A Room with a View"})
        assert (response.status_code, time.perf_counter() - started < 0.5) == (200, True)

    @pytest.mark.parametrize("value", [[1, 2.5], ["a", None], {"a": {"b": 1}}, [[1], {}], 10**30, None, True])
    def test_what_the_model_does_not_read_may_be_anything(self, url: str, value: object) -> None:
        item = {"item_id": "any", "title": "Tea", "extra": value}
        assert httpx.post(f"{url}/v1/items", json=item, timeout=60).status_code == 200
        assert "unknown" not in rank(url, candidates=["any"])["items"][0]

    @pytest.mark.parametrize("value", [{"en": "Tea"}, [["Tea"]]])
    def test_what_it_reads_must_be_text(self, url: str, value: object) -> None:
        answer = httpx.post(f"{url}/v1/items", json={"item_id": "any", "title": value})
        assert (answer.status_code, "`title` can't be written as text" in answer.text) == (422, True)

    @pytest.mark.parametrize(
        "values", [{"name": "Tea"}, {"titel": "Tea", "title": " "}, {"title": [None]}, {}]
    )
    def test_an_item_without_text_is_refused(self, url: str, values: dict[str, object]) -> None:
        error = httpx.post(f"{url}/v1/items", json={"item_id": "any", **values}).json()["error"]
        assert "no text: the model reads `title`" in error
        assert all(f"`{name}`" in error for name in values)

    @pytest.mark.parametrize("text", ["\u200b", ["", "\ufeff"]])
    def test_text_that_nobody_can_see_is_none(self, url: str, text: object) -> None:
        error = httpx.post(f"{url}/v1/items", json={"item_id": "any", "title": text}).json()["error"]
        assert "no text" in error

    @pytest.mark.parametrize("name", ["titel", "Title", "titles"])
    def test_a_misspelt_column_is_refused_though_there_is_other_text(self, url: str, name: str) -> None:
        body = {"item_id": "any", name: "Tea", "genres": "Drama"}
        answer = httpx.post(f"{url}/v1/items", json=body)
        assert (answer.status_code, f"unknown field `{name}`: did you mean `title`?" in answer.text) == (
            422,
            True,
        )
        both = httpx.post(f"{url}/v1/items", json={**body, "title": "Tea"}, timeout=60)
        assert both.status_code == 200
        httpx.delete(f"{url}/v1/items/any")

    def test_an_item_that_is_not_known_needs_no_deleting(self, url: str) -> None:
        before = httpx.delete(f"{url}/v1/items/never-put").json()
        assert before["accepted"] == 0
        assert httpx.delete(f"{url}/v1/items/never-put").json() == before

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

    def test_or_by_the_user(self, url: str) -> None:
        store(url, "carl", "50", "181", "172")
        documents = ["Wedding dresses through the ages", "Star Wars: the battle of the starships"]
        body = {"user": "carl", "documents": documents}
        answer = httpx.post(f"{url}/v1/rerank", json=body, timeout=60).json()
        assert answer["results"][0]["index"] == 1

    @staticmethod
    def scores(url: str, **body: object) -> dict[int, float]:
        """Re-rank; returns the scores by index, in the order of the response."""
        answer = httpx.post(f"{url}/v1/rerank", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return {one["index"]: one["relevance_score"] for one in answer.json()["results"]}

    def test_a_score_is_a_chance(self, url: str) -> None:
        documents = [
            "How do I reset my password?",
            "Annual rainfall in the Andes",
            "a recipe for lentil soup",
        ]
        scores = self.scores(url, query="I forgot my password", documents=documents)
        assert next(iter(scores)) == 0
        assert scores[0] > 0.8
        assert max(scores[1], scores[2]) < 0.1

    def test_the_order_is_that_of_the_cosines(self, url: str, encoder: TextEncoder) -> None:
        documents = [*self.DOCUMENTS, "printers", "filament lamps", "The history of Rome", "3D"]
        query, *vectors = encoder.encode(["printer filament", *documents])
        cosines = np.array(vectors) @ query
        scores = self.scores(url, query="printer filament", documents=documents)
        assert list(scores) == np.argsort(-cosines).tolist()
        assert list(scores.values()) == sorted(scores.values(), reverse=True)

    @pytest.mark.parametrize("by", [{"query": "steel"}, {"user": "ida"}, {"query": "steel", "user": "ida"}])
    def test_blank_documents_come_last_with_0(self, url: str, by: dict[str, str]) -> None:
        store(url, "ida", "50", "181")
        blank = ["", " \n", "\u200b\ufeff", {"text": "", "sku": "1"}]
        documents = [*blank, "a wooden chair", "Star Wars", {"text": ["Wedding", None, "dresses"]}]
        scores = self.scores(url, documents=documents, **by)
        assert sorted(list(scores)[:3]) == [4, 5, 6]
        assert list(scores.values())[3:] == [0, 0, 0, 0]
        assert all(score > 0 for score in list(scores.values())[:3])
        assert list(self.scores(url, documents=["", ""], **by).values()) == [0, 0]

    def test_what_the_history_does_not_tell_changes_no_score(self, url: str) -> None:
        documents = list(self.DOCUMENTS)
        alone = self.scores(url, query="printer filament", documents=documents)
        assert self.scores(url, query="printer filament", user="nobody", documents=documents) == alone
        assert set(self.scores(url, user="nobody", documents=documents).values()) == {0.5}

    def test_a_document_that_holds_no_text_is_refused(self, url: str) -> None:
        body = {"query": "tea", "documents": ["tea", {"text": {"en": "tea"}}]}
        answer = httpx.post(f"{url}/v1/rerank", json=body)
        assert (answer.status_code, "document 1" in answer.text) == (422, True)

    def test_settings_of_other_makers_models_are_passed_over(self, url: str) -> None:
        settings = {"model": "any", "priority": 1, "max_tokens_per_doc": 99, "max_chunks_per_doc": 9}
        settings |= {"truncation": True, "truncate_prompt_tokens": 8, "return_embeddings": False}
        assert self.scores(url, query="tea", documents=["green tea"], **settings)

    @pytest.mark.parametrize("query", [None, "", " \n", "\u200b"])
    def test_a_query_or_a_user_is_needed(self, url: str, query: str | None) -> None:
        answer = httpx.post(f"{url}/v1/rerank", json={"documents": ["a"], "query": query})
        assert (answer.status_code, "query" in answer.text) == (422, True)


def test_a_user_is_exported_and_erased(url: str) -> None:
    store(url, "dora/1 ä", "50", "nothing-known")
    path = f"{url}/v1/users/dora%2F1%20%C3%A4"
    events = httpx.get(path).json()["events"]
    assert [event["item_id"] for event in events] == ["50", "nothing-known"]
    assert [event["timestamp"] for event in events] == [START, START + 1]
    assert httpx.get(f"{path}/history").json()["events"] == events
    assert httpx.delete(path).json() == {"erased": True}
    assert httpx.delete(path).json() == {"erased": False}
    assert httpx.get(path).json()["events"] == []


def test_the_command_line_reads_what_a_server_stores(model: Path, reranker: Reranker, tmp_path: Path) -> None:
    async def append() -> None:
        state = EmbeddedState(tmp_path / "state")
        items = ["50", "?", "181"]
        await state.append(
            [StoredEvent(str(at), "ada", item, "view", 1e9 + at) for at, item in enumerate(items)]
        )
        await state.close()

    asyncio.run(append())
    options = {"model": model, "user": "ada", "state": tmp_path / "state", "candidates": "1,172,174"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    found = CliRunner().invoke(app, ["rank", *words], env={"COLUMNS": "200"})
    assert found.exit_code == 0, found.output
    rows = [line.split() for line in found.output.splitlines() if line.strip()[:1].isdigit()]
    events = [Event("50", None, 0.0), Event("181", None, 2.0)]
    assert [row[2] for row in rows] == [item.item_id for item in reranker.rank(events, ["1", "172", "174"])]
