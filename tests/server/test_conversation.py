"""Turns of a conversation over HTTP: what the user says of the list changes the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from server_helpers import rank

from tailrank.api import RankRequest
from tailrank.api_conversation import Change, Conversation, Turn
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.conversation.said import request_of
from tailrank.data.histories import History
from tailrank.policy.wishes import Wish, Wishes
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.text_events import TextEvent

CANDIDATES = [str(number) for number in range(1, 101)]
HISTORY = ["172", "174"]
REQUEST = {"candidates": CANDIDATES, "history": HISTORY, "k": 10}


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Server(model, tmp_path_factory.mktemp("conversation") / "state") as server:
        yield server.url


def say(url: str, text: str | None, conversation: object = None, status: int = 200, **asks: object) -> Any:
    body: dict[str, object] = {"request": {**REQUEST, **asks}}
    body |= {} if text is None else {"text": text}
    body |= {} if conversation is None else {"conversation": conversation}
    response = httpx.post(f"{url}/v1/conversation", json=body)
    assert response.status_code == status, response.text
    return response.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["ranking"]["items"]]


def years(reranker: Reranker, items: list[str]) -> list[int]:
    found: list[int] = reranker.listing(Request((), items)).attribute("year").tolist()
    return found


def test_a_turn_bounds_likes_and_looks_for_a_text(url: str, reranker: Reranker) -> None:
    first = say(url, None)
    assert first["conversation"] == {"turns": [], "shown": ids(first)}
    second = ids(first)[1]
    [year] = years(reranker, [second])

    said = "like the second one but older, for a rainy evening with friends"
    answer = say(url, said, first["conversation"])
    changes = [each["change"] for each in answer["understood"]]
    text = "for a rainy evening with friends"
    assert changes == [
        {"do": "like", "item": second},
        {"do": "range", "column": "year", "below": year},
        {"do": "say", "text": text},
    ]
    assert answer["not_understood"] == []
    assert answer["conversation"]["turns"] == [{"text": said, "changes": changes}]

    # The library ranks the same: the item follows the history, then the text, and the year is a step.
    asked = Request(
        [*HISTORY, second, TextEvent.encode(text, reranker.spaces)],
        CANDIDATES,
        policy=(*reranker.policy, Wishes([Wish("year", below=float(year))])),
        k=10,
    )
    ranking = reranker.rank(asked)
    assert ids(answer) == list(ranking.item_ids)
    scores = [item["score"] for item in answer["ranking"]["items"]]
    np.testing.assert_allclose(scores, ranking.scores, atol=0.01)  # torch may encode in bfloat16
    assert all(each < year for each in years(reranker, ids(answer)))


def test_turns_are_taken_back_by_words_or_left_out(url: str) -> None:
    first = say(url, None)
    bounded = say(url, "only comedies", first["conversation"])
    assert ids(bounded) != ids(first)
    assert len(bounded["conversation"]["turns"]) == 1
    undone = say(url, "undo", bounded["conversation"])
    assert [each["command"] for each in undone["understood"]] == ["undo"]
    assert undone["conversation"] == first["conversation"]
    assert ids(say(url, None, {**bounded["conversation"], "turns": []})) == ids(first)


def test_what_is_not_understood_is_said_and_changes_nothing(url: str) -> None:
    first = say(url, None)
    answer = say(url, "where is my parcel?", first["conversation"])
    assert (answer["understood"], answer["not_understood"]) == ([], ["where is my parcel"])
    assert answer["conversation"] == first["conversation"]
    assert ids(answer) == ids(first)


def test_only_some_items_of_the_list_are_left(url: str) -> None:
    first = say(url, None)
    answer = say(url, "only the second and third", first["conversation"])
    assert {*ids(answer)} == {*ids(first)[1:3]}
    assert ids(say(url, "undo", answer["conversation"])) == ids(first)


def test_nothing_left_is_an_empty_list_that_still_knows_what_was_seen(url: str) -> None:
    first = say(url, None)
    answer = say(url, "made before 1900", first["conversation"])
    assert ids(answer) == []
    assert answer["conversation"]["shown"] == first["conversation"]["shown"]
    assert set(answer["ranking"]["removed"].values()) == {"wish year below 1900"}


def test_the_client_answers_the_same(url: str) -> None:
    request = RankRequest([*CANDIDATES], history=[*HISTORY], k=10)
    with Client(url) as client:
        first = client.converse(None, request)
        answer = client.converse("only comedies", request, first.conversation)
    assert [each.means for each in answer.understood] == ["only genres Comedy"]
    assert answer.conversation.shown == ids(say(url, "only comedies"))


def test_wishes_may_be_sent_to_rank_as_a_step(url: str) -> None:
    step = {"name": "wishes", "wishes": [{"column": "genres", "values": ["Comedy"], "unmet": True}]}
    assert "wish genres not Comedy" in rank(url, policy=[step])["removed"].values()


def changed(change: object) -> dict[str, object]:
    return {"request": REQUEST, "conversation": {"turns": [{"text": "", "changes": [change]}]}}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"text": " ", "request": REQUEST}, "must say something"),
        ({"text": "only comedies"}, "request"),
        ({"txt": "only comedies", "request": REQUEST}, "did you mean `text`"),
        ({"request": REQUEST, "conversation": {"turns": [{"text": "", "changes": [{"do": "sing"}]}]}}, "do"),
        (
            {"request": REQUEST, "conversation": {"turns": [{"text": "", "changes": [{"do": "like"}]}]}},
            "lacks",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(url: str, body: object, why: str) -> None:
    response = httpx.post(f"{url}/v1/conversation", json=body)
    assert response.status_code == 422
    assert why in response.json()["error"]


def test_histories_that_are_columns_take_liked_items(reranker: Reranker) -> None:
    spoken = Conversation([Turn("like the first one", [Change("like", item="50")])])
    request = request_of(spoken, Request(History(["172"], [""], [1e9]), CANDIDATES), (), TextEvent)
    assert request.columns == History(["172", "50"], ["", ""], [1e9, float("-inf")])
    assert request.policy is None
