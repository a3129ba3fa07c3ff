"""The events that an item owes its rank to: without them it leaves the top, and no smaller set does that."""

from dataclasses import replace
from itertools import chain, combinations

import pytest

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, History
from tailrank.errors import RequestError
from tailrank.policy.tail import TailBoost
from tailrank.ranking import counterfactual as module
from tailrank.ranking.counterfactual import Counterfactual, counterfactual
from tailrank.ranking.reasons import why_there
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

FILMS = [str(film) for film in range(1, 61)]
SHORT = ["172", "?", "174", "181", "210", "95", "588"]


def ids_without(reranker: Reranker, request: Request, events: tuple[int, ...]) -> list[str]:
    kept = [item for at, item in enumerate(request.columns.items) if at not in events]
    return reranker.rank(kept, request.candidates, policy=request.policy).item_ids


@pytest.mark.parametrize("policy", [None, (TailBoost(0.4),)], ids=["plain", "tail"])
@pytest.mark.parametrize("k", [1, 5])
def test_it_is_the_smallest_set_that_brute_force_finds(
    reranker: Reranker, k: int, policy: tuple[TailBoost] | None
) -> None:
    request = Request(SHORT, FILMS, policy=policy)
    for rank, item in enumerate(reranker.rank(request).item_ids[:k], start=1):
        found = counterfactual(reranker, request, item, k, largest=6)
        sets = chain.from_iterable(combinations(range(7), size) for size in range(1, 7))
        size = next(
            (len(each) for each in sets if item not in ids_without(reranker, request, each)[:k]), None
        )
        assert (None if found is None else len(found.events)) == size
        if found is not None:
            assert found.smallest
            assert found.rank == rank
            assert found.event_items == tuple(SHORT[at] for at in found.events)
            assert ids_without(reranker, request, found.events)[found.rank_without - 1] == item  # type: ignore[operator]


def test_with_few_tries_no_event_of_the_set_can_be_spared(
    reranker: Reranker, movielens: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 40)
    history, several = [event.item_id for event in movielens.history("405")[:30]], 0
    request = Request(history, FILMS)
    for item in reranker.rank(request).item_ids[:10]:
        found = counterfactual(reranker, request, item, 10)
        if found is None:
            continue
        several += len(found.events) > 1
        assert item not in ids_without(reranker, request, found.events)[:10]
        for spared in found.events if len(found.events) > 1 else ():
            fewer = tuple(event for event in found.events if event != spared)
            assert item in ids_without(reranker, request, fewer)[:10]
    assert several


def test_times_and_types_of_the_other_events_stay(reranker: Reranker) -> None:
    events = [Event(item, "rating", 8.8e8 + at) for at, item in enumerate(SHORT)]
    [first, *_] = reranker.rank(events, FILMS).item_ids
    found = counterfactual(reranker, Request(events, FILMS), first, 1)
    assert found is not None
    kept = [event for at, event in enumerate(events) if at not in found.events]
    assert reranker.rank(kept, FILMS).item_ids[0] != first
    again = counterfactual(reranker, Request(History.from_events(events), FILMS), first, 1)
    assert again == found


def test_what_nothing_can_replace_has_no_such_set(reranker: Reranker) -> None:
    assert counterfactual(reranker, Request(SHORT, FILMS[:3]), "1", 3) is None
    assert counterfactual(reranker, Request([], FILMS), reranker.rank([], FILMS).item_ids[0], 1) is None
    assert counterfactual(reranker, Request(SHORT, ["?", *FILMS]), "?", 1) is None


def test_an_item_that_keeps_its_rank_is_not_searched_for(
    reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reranker, "rank_many", None)
    assert counterfactual(reranker, Request(SHORT, ["?", *FILMS]), "?", 1) is None


def test_an_unknown_item_with_a_score_may_owe_its_rank_to_events(reranker: Reranker) -> None:
    found = []
    for score in (0.0, 20.0, 40.0, 60.0):
        request = Request(SHORT, ["?", *FILMS], scores=[score, *range(60)])
        k = 1 + reranker.rank(request).item_ids.index("?")
        owed = counterfactual(reranker, request, "?", k)
        if owed is not None:
            fewer = [item for at, item in enumerate(SHORT) if at not in owed.events]
            assert "?" not in reranker.rank(replace(request, history=fewer)).item_ids[:k]
            found.append(owed)
    assert found


def test_an_item_below_the_top_is_a_mistake(reranker: Reranker) -> None:
    last = reranker.rank(SHORT, FILMS).item_ids[-1]
    for item in (last, "nothing"):
        with pytest.raises(RequestError, match="isn't among the first 3"):
            counterfactual(reranker, Request(SHORT, FILMS), item, 3)


def test_it_is_said_in_both_languages() -> None:
    found = Counterfactual("mug", 10, 3, 14, (0, 5, 6), ("tent", "bag", "tent"), smallest=True)
    titles = {"mug": "杯子", "tent": "帐篷"}
    assert why_there(found, titles) == "without “帐篷” and “bag”, “杯子” would not be among the first 10"
    assert why_there(replace(found, event_items=("a", "b", "c")), {}).startswith(
        "without “a”, “b” and “c”, “mug”"
    )
    assert (
        why_there(replace(found, event_items=("a",)), titles, "zh") == "如果没有“a”，“杯子”就不会进入前 10 名"
    )
    assert why_there(found, titles, "zh") == "如果没有“帐篷”和“bag”，“杯子”就不会进入前 10 名"
