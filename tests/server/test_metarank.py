"""Metarank's HTTP bodies, as its documentation shows them, as requests of ours."""

import json
import re
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, DecodeError, ValidationError

from tailrank import api, api_stored
from tailrank.server.metarank import FeedbackResponse, rank_response, read_feedback, read_rank_request

CLICK = {
    "event": "interaction",
    "type": "click",
    "id": "id2",
    "ranking": "id1",
    "item": "1580",
    "user": "alice",
    "session": "alice1",
    "timestamp": 1661431896711,
}
ITEM = {
    "event": "item",
    "id": "81f4",
    "timestamp": "1599391467000",
    "item": "item1",
    "fields": [
        {"name": "title", "value": "You favourite cat"},
        {"name": "color", "value": ["white", "black"]},
        {"name": "is_cute", "value": True},
        {"name": "age", "value": 3.0},
        {"name": "embedding", "value": [0.5, 1]},
    ],
}
RANKING = {
    "id": "81f4",
    "timestamp": "1599391467000",
    "user": "user1",
    "session": "session1",
    "fields": [{"name": "query", "value": "jeans"}],
    "items": [
        {"id": "item3", "fields": [{"name": "relevancy", "value": 2.0}]},
        {"id": "item1", "relevancy": 1},
        {"id": "item2", "fields": [{"name": "cos", "value": 0.1}], "label": 1},
    ],
}


def unknown(_: str) -> dict[str, api.Value]:
    return {}


def read(body: bytes) -> tuple[list[api_stored.Event], list[api_stored.Item], int]:
    """Read a body without a fault."""
    found = read_feedback(body, unknown)
    assert not found.refused
    assert not found.events.refused
    return list(found.events.entries), list(found.items.entries), found.n_events


def encoded(*events: object) -> bytes:
    return "\n".join(map(json.dumps, events)).encode()


def test_an_interaction_is_an_event_in_seconds() -> None:
    [event], items, accepted = read(encoded(CLICK))
    assert event == api_stored.Event("id2", "alice", "1580", "click", 1661431896.711, ranking_id="id1")
    assert (items, accepted) == ([], 1)


def test_if_nobody_is_signed_in_the_session_is_the_user() -> None:
    nobody = {**CLICK, "user": None}
    assert read(encoded(nobody))[0][0].user_id == "alice1"
    assert read(encoded({**nobody, "session": None})) == ([], [], 1)


def test_what_was_only_shown_is_accepted_and_not_stored() -> None:
    user = {"event": "user", "id": "u", "timestamp": "1599391467000", "user": "user1", "fields": []}
    body = encoded({**CLICK, "type": "impression"}, user, {"event": "ranking", **RANKING})
    assert read(body) == ([], [], 3)


def test_an_item_changes_only_the_fields_that_it_names() -> None:
    known: dict[str, dict[str, api.Value]] = {"item1": {"item_id": "item1", "title": "Cat", "price": 7}}
    cheaper = {**ITEM, "timestamp": "1599391469000", "fields": [{"name": "price", "value": 5.5}]}
    found = read_feedback(encoded(cheaper, ITEM), known.__getitem__)
    assert found.items.entries == [
        {
            "item_id": "item1",
            "title": "You favourite cat",
            "price": 5.5,
            "color": ["white", "black"],
            "is_cute": True,
            "age": 3,
        }
    ]
    assert (found.items.positions, found.n_events) == ([0], 2)


@pytest.mark.parametrize(
    "body",
    [
        encoded(CLICK, ITEM),
        encoded([CLICK, ITEM]),
        json.dumps([CLICK, ITEM], indent=1).encode(),
        json.dumps(CLICK, indent=1).encode() + b"\n\n" + json.dumps(ITEM, indent=1).encode() + b"\n",
    ],
    ids=["lines", "array", "pretty array", "pretty"],
)
def test_one_event_an_array_and_lines_are_read_alike(body: bytes) -> None:
    events, items, n_events = read(body)
    assert [event.event_id for event in events] == ["id2"]
    assert [item["item_id"] for item in items] == ["item1"]
    assert n_events == 2


@pytest.mark.parametrize(
    "time", ["1661431896711", 1661431896711, 1661431896711.0, "2022-08-25T12:51:36.711Z"]
)
def test_times_in_every_form(time: object) -> None:
    [event] = read(encoded({**CLICK, "timestamp": time}))[0]
    assert event.timestamp == pytest.approx(1661431896.711, abs=1e-6)
    assert type(event.timestamp) is float


def test_a_ranking_is_a_request_with_relevancy_as_upstream_score() -> None:
    expected = api.RankRequest(
        [api.Candidate("item3", 2.0), api.Candidate("item1", 1.0), "item2"],
        "user1",
        "session1",
        context={"query": "jeans"},
        ranking_id="81f4",
    )
    assert read_rank_request(json.dumps(RANKING).encode()) == expected
    assert read_rank_request(json.dumps({"event": "ranking", **RANKING}).encode(), explain=True).explain


def test_fields_of_a_ranking_are_its_context() -> None:
    values = {"market": "de", "hour": 9, "is_app": True, "tags": ["a"], "campaign": None}
    fields = [{"name": name, "value": value} for name, value in values.items()]
    found = read_rank_request(json.dumps({**RANKING, "fields": fields}).encode())
    assert found.context == {"market": "de", "hour": 9.0, "is_app": True, "campaign": None}
    for wrong, why in (
        ([{"name": "", "value": 1}], "`fields`: .*length >= 1"),
        ([{"name": str(at), "value": 1} for at in range(51)], "`fields`: .*length <= 50"),
        ([{"name": "market", "value": {}}], r"fields\[0\].value"),
    ):
        with pytest.raises(ValidationError, match=why):
            read_rank_request(json.dumps({**RANKING, "fields": wrong}).encode())


def test_the_answer_has_the_shape_of_metarank() -> None:
    ranked = [
        api.RankedItem("item1", 1.5, 1, 2, UNSET, {"semantic": 1.0, "popularity": 0.5}),
        api.RankedItem("item3", 0.5, 2, 1),
    ]
    answer = rank_response(api.Ranking("r", "m", 5.7, False, ranked))
    assert json.loads(msgspec.json.encode(answer)) == {
        "items": [
            {"item": "item1", "score": 1.5, "features": {"semantic": 1.0, "popularity": 0.5}},
            {"item": "item3", "score": 0.5},
        ],
        "took": 5,
    }
    feedback = msgspec.json.encode(FeedbackResponse("ok", 1, 0, 3))
    assert json.loads(feedback) == {"accepted": 1, "status": "ok", "tookMillis": 3, "updated": 0}


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({**CLICK, "item": ""}, r"length >= 1 - at `\$.item`"),
        ({**CLICK, "type": None}, r"`\$.type`"),
        ({**CLICK, "event": "purchase"}, "Invalid value 'purchase'"),
        ({**CLICK, "timestamp": -1}, r"milliseconds since 1970, .* got -1 - at `\$.timestamp`"),
        ({**CLICK, "timestamp": 1661431896}, r"from 1990 to now, got 1661431896 - at `\$.timestamp`"),
        ({**CLICK, "timestamp": 3976214400000}, r"from 1990 to now, got 3976214400000"),
        ({**CLICK, "timestamp": 10**400}, r"from 1990 to now, got 10{19} - at `\$.timestamp`"),
        ({**CLICK, "timestamp": None}, "Expected milliseconds since 1970, or ISO 8601 text"),
        ({**CLICK, "timestamp": "yesterday"}, "Expected ISO 8601 such as .*, got 'yesterday'"),
        ({**CLICK, "user": "ü" * 300}, "400 bytes"),
        ({**ITEM, "fields": [{"name": "item_id", "value": "x"}]}, "can't be named 'item_id'"),
        ({**CLICK, "usr": "alice"}, "unknown field `usr`: did you mean `user`"),
        ({**ITEM, "feilds": []}, "did you mean `fields`"),
    ],
)
@pytest.mark.parametrize("encode", [encoded, lambda *events: encoded(list(events))], ids=["lines", "array"])
def test_what_is_no_event_is_refused_and_costs_the_others_nothing(
    event: object, complaint: str, encode: Callable[..., bytes]
) -> None:
    found = read_feedback(encode(CLICK, event, ITEM), unknown)
    [refused] = [*found.refused, *found.events.refused]
    assert (refused.index, bool(re.search(complaint, refused.error))) == (1, True), refused
    assert ([e.item_id for e in found.events.entries], found.events.positions) == (["1580"], [0])
    assert ([item["item_id"] for item in found.items.entries], found.items.positions) == (["item1"], [2])


@pytest.mark.parametrize("body", [b"1\n" * 1_001, b"[" + b"1," * 1_000 + b"1]"], ids=["lines", "array"])
def test_of_very_many_faults_one_is_told(body: bytes) -> None:
    with pytest.raises(ValidationError, match=r"more than 1000 entries .* Expected `object`, got `int`"):
        read_feedback(body, unknown)


def test_what_metarank_knows_and_we_do_not_use_is_taken() -> None:
    unused = {"fields": [{"name": "count", "value": 1}], "tenant": "shop", "env": "test"}
    user = {"event": "user", "id": "u", "timestamp": "1599391467000", "user": "user1"}
    events = [{**CLICK, **unused}, {**ITEM, "tenant": "shop"}, {"event": "ranking", **RANKING, **unused}]
    assert len(read(encoded(*events, {**user, **unused}))[0]) == 1
    found = read_rank_request(json.dumps({**RANKING, **unused}).encode())
    assert found.user == "user1"


def test_nothing_in_a_list_is_left_out() -> None:
    fields = [{"name": "color", "value": ["white", None]}, {"name": "size", "value": [1, None]}]
    [item] = read(encoded({**ITEM, "fields": fields}))[1]
    assert item == {"item_id": "item1", "color": ["white"]}


def test_the_time_of_a_request_to_rank_may_be_anything_past() -> None:
    assert read_rank_request(json.dumps({**RANKING, "timestamp": 0}).encode()).candidates


def test_lists_that_are_too_long_are_refused() -> None:
    def body(n: int) -> bytes:
        return json.dumps({**RANKING, "items": [{"id": str(at)} for at in range(n)]}).encode()

    assert len(read_rank_request(body(api.MAX_CANDIDATES)).candidates) == api.MAX_CANDIDATES
    with pytest.raises(ValidationError, match=r"length <= 2000 - at `\$.items`"):
        read_rank_request(body(api.MAX_CANDIDATES + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([CLICK, ITEM, RANKING]), st.sampled_from(sorted({*CLICK, *ITEM, *RANKING})), JSON)
def test_whatever_a_field_holds_it_is_read_or_refused(
    event: dict[str, object], name: str, value: object
) -> None:
    body = json.dumps({**event, name: value}).encode()
    for read in (lambda: read_feedback(body, unknown), lambda: read_rank_request(body)):
        with suppress(DecodeError, UnicodeDecodeError):
            read()


@given(st.binary(max_size=60))
def test_whatever_the_bytes_they_are_read_or_refused(body: bytes) -> None:
    for read in (lambda: read_feedback(body, unknown), lambda: read_rank_request(body)):
        with suppress(DecodeError, UnicodeDecodeError):
            read()
