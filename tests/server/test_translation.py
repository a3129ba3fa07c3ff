"""What is evaluated is what serves: the wire's shapes, and the library's answer in them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, ValidationError

from tailrank import api, api_stored
from tailrank.data.histories import Event, History
from tailrank.errors import RequestError
from tailrank.policy.exploration import Exploration
from tailrank.policy.tail import TailBoost
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.server.decoding import Body
from tailrank.server.metarank import rank_response
from tailrank.server.translation import NO_EVENTS, check_times, to_items, to_request

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000"]


def test_a_request_is_ranked_as_the_library_ranks_it(reranker: Reranker) -> None:
    request = api.RankRequest(list(CANDIDATES), history=["50", "181", "174"], k=5)
    found = to_items(reranker.rank(to_request(request, NO_EVENTS)))
    expected = reranker.rank(["50", "181", "174"], CANDIDATES, k=5)
    assert [(i.id, i.score, i.rank, i.previous_rank) for i in found] == [tuple(i)[:4] for i in expected]
    assert all(i.unknown is UNSET and i.contributions is UNSET for i in found)


def test_stored_events_come_before_those_of_the_request(reranker: Reranker) -> None:
    stored = History(["50", "181"], ["rating", "rating"], [10.0, 20.0])
    request = api.RankRequest(list(CANDIDATES), history=[api.HistoryEvent("174", timestamp=30.0), "172"])
    events = [Event("50", "rating", 10.0), Event("181", "rating", 20.0), Event("174", None, 30.0)]
    expected = reranker.rank([*events, Event("172", None, 30.0)], CANDIDATES)
    assert reranker.rank(to_request(request, stored)) == expected


def test_a_history_is_an_order_if_the_model_has_no_times() -> None:
    history: list[str | api.HistoryEvent] = ["172", *(api.HistoryEvent("174", None, at) for at in (0.0, 3.0))]
    check_times(history, "position")
    check_times(history, "elapsed")
    with pytest.raises(RequestError, match=r"timestamp 0 is before 1990.*`\$.history\[1\].timestamp`"):
        check_times(history, "timestamp")
    with pytest.raises(RequestError, match="in the future"):
        check_times([api.HistoryEvent("174", timestamp=1e12)], "position")


def test_scores_and_policy_are_the_library_s() -> None:
    given: list[str | api.Candidate] = [api.Candidate("a", 2.0), "b", api.Candidate("c", 1.0)]
    request = to_request(api.RankRequest(given, policy=api.Policy(tail=0.5), explain=True), NO_EVENTS)
    assert str(request.scores) == "[2.0, nan, 1.0]"
    assert (request.policy, request.explain) == ((TailBoost(0.5),), True)
    assert to_request(api.RankRequest(["a"], policy=api.Policy()), NO_EVENTS) == Request(NO_EVENTS, ["a"])


def test_steps_are_named_in_their_order_and_mistakes_in_them_by_their_place() -> None:
    steps = [{"name": "exploration", "moves": 1}, {"name": "tail", "strength": 0.5}]
    request = to_request(api.RankRequest(["a"], policy=steps, context={"market": "de"}), NO_EVENTS)
    assert request.policy == (Exploration(moves=1), TailBoost(0.5))
    assert request.context == {"market": "de"}
    assert to_request(api.RankRequest(["a"], policy=[]), NO_EVENTS).policy == ()
    for wrong, message in (
        ({"name": "tial"}, r"no policy is called 'tial'.* - at `\$.policy\[1\]`"),
        ({"strength": 1}, r"`name` is missing: .* there are tail, .* - at `\$.policy\[1\]`"),
        ({"name": "tail", "strength": 7}, r"strength must be .* - at `\$.policy\[1\]`"),
    ):
        with pytest.raises(RequestError, match=message):
            to_request(api.RankRequest(["a"], policy=[{"name": "tail"}, wrong]), NO_EVENTS)


def test_unknown_items_are_marked_and_explained(reranker: Reranker) -> None:
    ranking = reranker.rank(Request(["50", "gone"], ["?", "1", "181"], explain=True))
    unknown, *known = to_items(ranking)
    assert (unknown.id, unknown.unknown) == ("?", True)
    assert all(item.unknown is UNSET for item in known)
    assert all(isinstance(item.contributions, dict) for item in (unknown, *known))
    assert ranking.unknown_history == ["gone"]


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contributions_add_up_to_every_score_on_the_wire(reranker: Reranker, data: st.DataObject) -> None:
    names = st.sampled_from([*CANDIDATES, "?a", "?b", "?c"])
    score = st.none() | st.floats(-1e6, 1e6)
    candidates = data.draw(st.lists(names | st.builds(api.Candidate, names, score), max_size=12))
    history = data.draw(st.lists(st.sampled_from(["50", "172", "181", "gone"]), max_size=5))
    tail = data.draw(st.none() | st.floats(0, 1))
    k = data.draw(st.none() | st.integers(1, 12))
    request = api.RankRequest(candidates, history=list(history), policy=api.Policy(tail), k=k, explain=True)
    items = to_items(reranker.rank(to_request(request, NO_EVENTS)))
    for item in items:
        assert isinstance(item.contributions, dict)
        assert sum(item.contributions.values()) == pytest.approx(item.score, abs=1e-4)
    scored = rank_response(api.Ranking("r", "m", 1.0, False, items)).items
    for one in scored:
        assert isinstance(one.features, dict)
        assert sum(one.features.values()) == pytest.approx(one.score, abs=1e-4)


def test_a_value_that_can_not_be_chosen_is_refused_with_those_that_can() -> None:
    with pytest.raises(ValidationError, match=r"'fr' - at `\$.explain`: choose from `en`, `zh`$"):
        Body[api.RankRequest](api.RankRequest).decode(b'{"candidates": ["a"], "explain": "fr"}')
    with pytest.raises(ValidationError, match=r"`\$.verdict`: choose from `approve`, `reject`$"):
        Body[api_stored.Verdict](api_stored.Verdict).decode(b'{"verdict": "ok", "by": "a", "why": "b"}')
