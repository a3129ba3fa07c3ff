"""Rankings without some of the signals, and with words of the user among the events."""

from __future__ import annotations

import numpy as np
import pytest

from tailrank.data.histories import Event
from tailrank.errors import RequestError
from tailrank.ranking.parts import LIST_MEAN
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.text_events import TextEvent

HISTORY = ["50", "172", "181", "210"]
CANDIDATES = [str(number) for number in range(1, 201)]


@pytest.fixture(scope="module")
def horror(reranker: Reranker) -> TextEvent:
    return TextEvent.encode("a horror film, frightening", reranker.spaces)


def parts(reranker: Reranker, **options: object) -> dict[str, dict[str, float]]:
    ranking = reranker.rank(HISTORY, CANDIDATES, explain=True, **options)
    return {item.item_id: item.contributions or {} for item in ranking}


@pytest.mark.parametrize(
    "without", [["semantic"], ["semantic", "lexical"], ["popularity", "taste", "item-knn"]]
)
def test_a_score_without_signals_is_exactly_the_sum_of_the_others(
    reranker: Reranker, without: list[str]
) -> None:
    whole, left = parts(reranker), parts(reranker, without=without)
    scores = {item.item_id: item.score for item in reranker.rank(HISTORY, CANDIDATES, without=without)}
    for item, found in left.items():
        assert sum(found.values()) == pytest.approx(scores[item], abs=1e-9)
        assert found.keys() == whole[item].keys() - set(without)
        for name in found.keys() - {LIST_MEAN}:
            assert found[name] == pytest.approx(whole[item][name], abs=1e-5)  # scores are in single precision


def test_without_any_signal_nothing_of_the_history_counts(reranker: Reranker) -> None:
    nothing = list(reranker.fusion.signals)
    ranking = reranker.rank(HISTORY, CANDIDATES, without=nothing, policy=[])
    [one] = reranker.rank_many([Request([], CANDIDATES, without=nothing, policy=[])])
    assert set(parts(reranker, without=nothing)["1"]) <= {LIST_MEAN, "base", "tail"}
    assert len(set(ranking.scores)) < len(set(reranker.rank(HISTORY, CANDIDATES).scores))
    assert len(one) == len(ranking)


def test_explanations_lack_what_is_left_out(reranker: Reranker) -> None:
    [first, *_] = reranker.explain(HISTORY, CANDIDATES, without=["semantic"])
    assert "semantic" not in first.by_event
    assert "semantic" not in first.leanings
    assert sum(first.by_event["lexical"]) == pytest.approx(first.contributions["lexical"], abs=1e-9)


def test_many_requests_may_leave_out_different_signals(reranker: Reranker, horror: TextEvent) -> None:
    requests = [
        Request(HISTORY, CANDIDATES),
        Request(HISTORY, CANDIDATES, without=["semantic"]),
        Request([*HISTORY, horror], CANDIDATES),
        Request(HISTORY, CANDIDATES, without=["semantic"], k=3),
        Request(HISTORY, CANDIDATES[:3], without=["lexical"]),
        Request(HISTORY[:1], CANDIDATES[:2], without=["lexical"]),
    ]
    assert reranker.rank_many(requests) == [reranker.rank(request) for request in requests]


def test_an_unknown_signal_is_refused(reranker: Reranker) -> None:
    with pytest.raises(
        RequestError, match="without: the model has no signal 'lexcal': did you mean `lexical`"
    ):
        reranker.rank(HISTORY, CANDIDATES, without=["lexcal"])
    with pytest.raises(RequestError, match="without must be a list"):
        Request(HISTORY, CANDIDATES, without="lexical")


def test_words_move_what_they_are_about_and_only_by_signals_that_read(
    reranker: Reranker, horror: TextEvent
) -> None:
    before = reranker.explain(HISTORY, CANDIDATES)
    after = reranker.explain([*HISTORY, horror], CANDIDATES)
    assert after[0].events == (*HISTORY, "“a horror film, frightening”")
    for one in after:
        for name, shares in one.by_event.items():
            assert len(shares) == 5
            assert sum(shares) == pytest.approx(one.contributions[name], abs=1e-9)
            if name not in {"semantic", "lexical"}:
                assert shares[-1] == 0
    genres = dict(zip(reranker.catalogue.items["item_id"], reranker.catalogue.items["genres"], strict=True))
    scary = [item for item in CANDIDATES if "Horror" in str(genres[item])]
    lift = {one.item_id: one.by_event["semantic"][-1] for one in after}
    others = [lift[item] for item in CANDIDATES if item not in scary]
    assert np.mean([lift[item] for item in scary]) > np.mean(others) + 0.1
    assert len(before) == len(after)


def test_words_are_an_item_of_that_text_to_signals_that_read(reranker: Reranker, horror: TextEvent) -> None:
    """An independent way: put the item into the catalogue, choose it, and read what these signals say."""
    vectors = {name: vector[None] for name, vector in horror.vectors.items()}
    larger = reranker.with_items(["horror"], [horror.text], vectors)
    candidates = CANDIDATES[:50]
    told = reranker.rank(["50", horror, "172"], candidates, keep_signals=True, policy=[])
    chosen = larger.rank(["50", "horror", "172"], candidates, keep_signals=True, policy=[])
    plain = reranker.rank(["50", "172"], candidates, keep_signals=True, policy=[])
    assert told.history_length == chosen.history_length == 3

    def said(ranking: Ranking, name: str) -> dict[str, float]:
        assert ranking.signals is not None
        at = ranking.signals.names.index(name)
        return dict(zip(ranking.item_ids, ranking.signals.values[:, at].tolist(), strict=True))

    for name in reranker.fusion.signals:
        other = chosen if name in {"semantic", "lexical"} else plain
        assert said(told, name) == pytest.approx(said(other, name), abs=1e-6), name


def test_words_have_their_place_among_events_with_times(reranker: Reranker, horror: TextEvent) -> None:
    events = [Event(item, None, 8.8e8 + at) for at, item in enumerate(HISTORY)]
    found = reranker.explain([horror, *events[:2], horror, *events[2:], horror], ["1", "2", "3"])
    name = horror.name
    assert found[0].events == (name, "50", "172", name, "181", "210", name)
    alone = reranker.rank([horror], CANDIDATES)
    assert alone.history_length == 1
    long = reranker.explain([*HISTORY * 20, horror], ["1", "2"])[0]
    assert len(long.events) == reranker.settings.max_history
    assert long.events[-1] == name


@pytest.mark.parametrize("wrong", ["", " \n", 5])
def test_words_must_say_something(wrong: str) -> None:
    with pytest.raises(RequestError, match="must say something"):
        TextEvent(wrong)
    with pytest.raises(RequestError, match="has 501 characters: say it in at most 500"):
        TextEvent.encode("x" * 501, {})
    assert TextEvent("x" * 500).vectors == {}


def test_vectors_of_words_must_fit(reranker: Reranker) -> None:
    with pytest.raises(RequestError, match="width"):
        reranker.rank([TextEvent("horror", {"semantic": np.ones(3, np.float32)})], CANDIDATES)
    with pytest.raises(RequestError, match="no vector space 'semantc'"):
        reranker.rank([TextEvent("horror", {"semantc": np.ones(384, np.float32)})], CANDIDATES)
    assert reranker.rank([TextEvent("horror")], CANDIDATES).history_length == 1
