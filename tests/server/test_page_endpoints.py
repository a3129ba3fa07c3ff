"""What the page at `/` asks of the server beside rankings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from server_helpers import store, wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, History
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.text_events import TextEvent

CANDIDATES = [str(number) for number in range(1, 101)]
STORY = {
    "rule": "The one who is kind to tests.",
    "users": [{"id": "u", "name": "U", "history": ["50", "172"], "target": "181", "why": "It follows."}],
}
EVALUATION = {
    "dataset": "films",
    "frontier": {
        "max_loss": 0.01,
        "queries": [60, 50],
        "plain": {"value": None, "test": {"ndcg@10": 0.2, "aplt@10": 0.1, "ild@10": 0.5}},
        "curves": [
            {
                "dial": "tail",
                "setting": "strength",
                "points": [{"value": 0.5, "test": {"ndcg@10": 0.15, "aplt@10": 0.4, "ild@10": None}}],
            }
        ],
    },
}
HOSTILE = "<img src=x onerror=alert(1)> \u202e'\"; DROP TABLE"


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("page")
    story, evaluation = folder / "story.json", folder / "metrics.json"
    story.write_text(json.dumps(STORY), encoding="utf-8")
    evaluation.write_text(json.dumps(EVALUATION), encoding="utf-8")
    options = ("--story", str(story), "--evaluation", str(evaluation))
    with Server(model, folder / "state", *options) as server:
        yield server.url


def ask(url: str, path: str, body: object = None, status: int = 200) -> Any:
    response = httpx.post(url + path, json=body) if body is not None else httpx.get(url + path)
    assert response.status_code == status, response.text
    return response.json()


def ids(answer: dict[str, Any], name: str = "items") -> list[str]:
    return [each["id"] for each in answer[name]]


def test_the_page_says_what_there_is(url: str, reranker: Reranker) -> None:
    page = ask(url, "/v1/page")
    assert page["items"] == len(reranker.catalogue)
    assert page["signals"] == list(reranker.fusion.signals)
    assert page["language"] == ["semantic", "lexical"]
    assert page["free_text"]
    assert page["story"] == STORY
    prices = page["prices"]
    assert (prices["dataset"], prices["queries"], list(prices["dials"])) == ("films", 50, ["tail"])
    none, strong = prices["dials"]["tail"]
    assert none == {"at": 0, "loss": 0, "tail_share": 0.1, "diversity": 0.5}
    assert strong == {"at": 0.5, "loss": pytest.approx(0.25), "tail_share": 0.4, "diversity": None}


def test_items_are_found_by_words_of_their_titles(url: str) -> None:
    found = ask(url, "/v1/page/items", {"query": "STAR w", "k": 1})["items"]
    assert found[0]["title"] == "Star Wars (1977)"
    several = ask(url, "/v1/page/items", {"query": "star", "k": 6})["items"]
    begins = [
        card["title"].lower().startswith("star") or " star" in card["title"].lower() for card in several
    ]
    assert begins == sorted(begins, reverse=True)


def test_items_are_found_by_meaning_if_words_find_too_few(url: str) -> None:
    query = {"query": "extraterrestrials, science fiction", "k": 5}
    wait_until(lambda: bool(ask(url, "/v1/page/items", query)["items"]))  # the encoder may still be loading
    found = ask(url, "/v1/page/items", query)["items"]
    assert len(found) == 5
    assert sum("Sci-Fi" in card["text"] for card in found) >= 3
    assert ask(url, "/v1/page/items", {"query": " \u200b", "k": 3})["items"]


def test_without_a_query_the_best_known_come_first(url: str, movielens: Dataset) -> None:
    found = ask(url, "/v1/page/items", {})["items"]
    counts = [card["count"] for card in found]
    assert len(found) == 20
    assert counts == sorted(counts, reverse=True)
    assert not any(card["tail"] for card in found)


def test_cards_show_items_once_and_leave_out_unknown_ones(url: str, reranker: Reranker) -> None:
    cards = ask(url, "/v1/page/cards", {"ids": ["50", "nobody's", "1", "50"]})["items"]
    assert [card["id"] for card in cards] == ["50", "1"]
    assert cards[0]["title"] == "Star Wars (1977)"
    assert cards[0]["text"].startswith("Star Wars (1977). Action")
    [code] = reranker.catalogue.codes_of(["50"])
    assert cards[0]["count"] == reranker.catalogue.counts[code]


def test_items_come_and_go_and_their_text_stays_text(url: str) -> None:
    ask(url, "/v1/items", {"item_id": HOSTILE, "title": f"{HOSTILE} {'long ' * 200}"})
    [card] = ask(url, "/v1/page/cards", {"ids": [HOSTILE]})["items"]
    assert (card["count"], card["tail"]) == (0, True)
    assert card["title"].startswith(HOSTILE)
    assert (len(card["title"]), len(card["text"])) == (120, 200)
    assert ids(ask(url, "/v1/page/items", {"query": "onerror", "k": 1})) == [HOSTILE]
    assert httpx.delete(f"{url}/v1/items/{httpx.URL('/' + HOSTILE).raw_path[1:].decode()}").status_code == 200
    assert ask(url, "/v1/page/cards", {"ids": [HOSTILE]})["items"] == []
    ask(url, "/v1/items", {"item_id": "1600", "title": "Restored"})
    assert ask(url, "/v1/page/cards", {"ids": ["1600"]})["items"][0]["title"] == "Restored"


def test_candidates_are_those_of_item_knn(url: str, reranker: Reranker, movielens: Dataset) -> None:
    history = ["172", "181", "unknown", "210"]
    found = ask(url, "/v1/page/candidates", {"history": history, "k": 50})
    assert found["by"] == "item-kNN"
    assert len(found["candidates"]) == 50
    assert not set(history) & set(ids(found, "candidates"))
    neighbours = next(signal for signal in reranker.signals if signal.name == "item-knn")
    whole = reranker.catalogue.candidates(np.arange(len(reranker.catalogue), dtype=np.int32))
    coded, _ = reranker.catalogue.histories([History.from_events(history)])
    scores = neighbours.score(coded, whole)[0]
    scores[coded.items] = -1
    expected = np.sort(scores)[::-1][:50]
    np.testing.assert_allclose([each["score"] for each in found["candidates"]], expected, rtol=1e-6)


def test_without_a_history_candidates_are_the_popular_ones(url: str) -> None:
    found = ask(url, "/v1/page/candidates", {"k": 20})
    assert found["by"] == "popularity"
    assert ids(found, "candidates") == ids(ask(url, "/v1/page/items", {"k": 20}))


def test_the_map_has_all_items_of_like_meaning_close_together(url: str, reranker: Reranker) -> None:
    found = ask(url, "/v1/page/map")
    assert len(found["ids"]) == len(found["tail"]) == len(set(found["ids"])) >= len(reranker.catalogue) - 1
    points = np.array([found["x"], found["y"]]).T
    assert points.min(axis=0).tolist() == [0, 0]
    assert points.max(axis=0).tolist() == [1, 1]
    genres = dict(zip(reranker.catalogue.items["item_id"], reranker.catalogue.items["genres"], strict=True))
    horror = np.array(["Horror" in str(genres.get(name)) for name in found["ids"]])
    around = np.linalg.norm(points[horror] - points[horror].mean(axis=0), axis=1).mean()
    assert around < 0.9 * np.linalg.norm(points - points[horror].mean(axis=0), axis=1).mean()
    codes = reranker.catalogue.codes_of(found["ids"])
    known = codes >= 0
    assert np.array_equal(np.array(found["tail"])[known] == 1, reranker.catalogue.tail_of(codes)[known])
    assert ask(url, "/v1/page/map") == found


OWN: list[dict[str, Any]] = [
    {"item_id": "50", "title": "Camping gas stove", "price": 49},
    {"item_id": "b", "title": HOSTILE, "colour": {"nested": 1}},
    {"item_id": "c", "title": "Wool socks", "description": "warm feet in winter"},
    {"item_id": "d", "title": "Stove fuel and gas cartridge for camping"},
]


def test_own_items_are_ranked_by_meaning_and_nothing_is_kept(url: str) -> None:
    before = ask(url, "/v1/page/cards", {"ids": ["50"]})
    found = ask(url, "/v1/page/own", {"items": OWN, "history": ["50"], "k": 2})["items"]
    assert [(one["id"], one["rank"]) for one in found] == [("d", 1), (found[1]["id"], 2)]
    assert (found[0]["previous_rank"], found[0]["title"]) == (3, OWN[3]["title"])
    every = ask(url, "/v1/page/own", {"items": OWN, "history": ["50"]})["items"]
    assert HOSTILE in [one["title"] for one in every]
    assert ask(url, "/v1/page/cards", {"ids": ["50", "b", "c", "d"]}) == before


@pytest.mark.parametrize(
    ("items", "history", "fault"),
    [
        ([*OWN, {"item_id": "c", "title": "x"}], ["50"], "$.items[4]"),
        ([*OWN, {"title": "x"}], ["50"], "`item_id` is missing, or no string - at `$.items[4]`"),
        ([*OWN, {"item_id": "x", "title": " "}], ["50"], "without text"),
        ([*OWN, {"item_id": "x", "title": {"a": 1}}], ["50"], "$.items[4]"),
        (
            [{"item_id": "x", "price": 5}],
            ["x"],
            "no item has a text: send one in a field such as `title` (or ",
        ),
        (OWN, ["nothing"], "$.history[0]"),
        (OWN, [], "history"),
        ([{"item_id": str(at), "title": "x"} for at in range(501)], ["1"], "items"),
    ],
)
def test_faults_of_own_items_name_the_row(url: str, items: object, history: object, fault: str) -> None:
    assert fault in ask(url, "/v1/page/own", {"items": items, "history": history}, 422)["error"]


def rank(url: str, status: int = 200, **request: object) -> dict[str, Any]:
    answer: dict[str, Any] = ask(url, "/v1/rank", {"candidates": CANDIDATES, **request}, status)
    return answer


def test_a_list_may_do_without_signals(url: str, reranker: Reranker) -> None:
    without = ["semantic", "lexical"]
    found = rank(url, history=["50", "172"], without=without, explain="en")
    expected = reranker.rank(["50", "172"], CANDIDATES, without=without)
    assert ids(found) == expected.item_ids
    for item in found["items"][:20]:
        assert not set(without) & item["contributions"].keys()
        assert not set(without) & item["explanation"]["by_event"].keys()
        assert sum(item["contributions"].values()) == pytest.approx(item["score"], abs=1e-9)
    wrong = rank(url, 422, without=["lexcal"])
    assert "did you mean `lexical`" in wrong["error"]


def test_words_of_the_user_are_events(url: str, reranker: Reranker) -> None:
    words = "a quiet film for a rainy evening"
    history = ["50", {"text": words}, {"item_id": "172", "event": "rating"}]
    found = rank(url, history=history, explain="en")
    assert not found["degraded"]
    assert found["events"] == ["50", f"“{words}”", "172"]
    assert found["history_length"] == 3
    wish = TextEvent.encode(words, reranker.spaces)
    expected = reranker.rank(["50", wish, Event("172", "rating")], CANDIDATES)
    scores = {item["id"]: item["score"] for item in found["items"]}
    by_torch = dict(zip(expected.item_ids, expected.scores, strict=True))
    assert scores == pytest.approx(by_torch, abs=0.02)  # ONNX beside torch
    stored = httpx.get(f"{url}/v1/users/nobody").json()
    assert stored["events"] == []
    store(url, "writer", "50", "181")
    after = rank(url, user="writer", history=[{"text": HOSTILE}, "172"], explain="en")
    assert after["events"] == ["50", "181", f"“{HOSTILE}”", "172"]


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ({"text": " "}, "must say something"),
        ({"text": "tea", "item_id": "50"}, "stands alone"),
        ({"text": "tea", "timestamp": 1.7e9}, "stands alone"),
        ({"text": "x" * 501}, "text"),
        ({}, "item_id"),
        ({"txet": "tea"}, "did you mean `text`"),
    ],
)
def test_words_that_make_no_sense_are_refused(url: str, element: object, fault: str) -> None:
    error = rank(url, 422, history=[element])["error"]
    assert fault in error
    assert "history" in error
    assert "1970" not in error
    assert "at most 10" in rank(url, 422, history=[{"text": "tea"}] * 11)["error"]


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("items", {"quary": "x"}, "did you mean `query`"),
        ("items", {"k": 501}, "k"),
        ("items", {"query": "x" * 201}, "query"),
        ("cards", {"ids": ["x"] * 501}, "ids"),
        ("cards", {}, "ids"),
        ("candidates", {"history": [""]}, "history"),
        ("candidates", {"histroy": ["1"]}, "did you mean `history`"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(url: str, path: str, body: object, fault: str) -> None:
    assert fault in ask(url, f"/v1/page/{path}", body, 422)["error"]


def test_halves_of_surrogate_pairs_are_refused(url: str) -> None:
    response = httpx.post(f"{url}/v1/page/items", content=rb'{"query": "\ud800"}')
    assert response.status_code in {400, 422}, response.text
