"""An explanation takes a score apart and leaves nothing over."""

import numpy as np
import pytest

from tailrank.data.dataset import Dataset
from tailrank.policy.tail import TailBoost
from tailrank.ranking.contrast import Contrast
from tailrank.ranking.fusion import COUNT_KNOTS
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "100", "1682", "742", "1", "172"]
HISTORIES = pytest.mark.parametrize("history", [[], ["172"], ["172", "174", "210", "172"]], ids=len)


@HISTORIES
@pytest.mark.parametrize(
    "scores", [None, [3.0, 1.0, float("nan"), 9.0, 2.0, 2.0, 0.0]], ids=["own", "upstream"]
)
@pytest.mark.parametrize("tail", [0.0, 0.4])
def test_contributions_add_up_to_the_score_it_was_ranked_by(
    reranker: Reranker, history: list[str], scores: list[float] | None, tail: float
) -> None:
    request = Request(history, FILMS, scores, (TailBoost(tail),))
    ranked = {item.item_id: item.score for item in reranker.rank(request)}
    explained = reranker.explain(request)
    assert [part.item_id for part in explained] == list(ranked)
    for part in explained:
        assert part.score == pytest.approx(ranked[part.item_id], abs=1e-4)
        assert sum(part.contributions.values()) == pytest.approx(part.score, abs=1e-4)
        own = {"list mean", "base", *reranker.fusion.signals}
        added = {name for name, used in (("upstream", scores), ("tail", tail)) if used}
        assert set(part.contributions) == own | added


def test_a_policy_that_comes_twice_is_named_with_all_that_it_added(reranker: Reranker) -> None:
    twice = (TailBoost(0.3), TailBoost(0.2))
    once = {item.item_id: item for item in reranker.rank([], FILMS, policy=(TailBoost(0.5),), explain=True)}
    for item in reranker.rank([], FILMS, policy=twice, explain=True):
        assert item.contributions == pytest.approx(once[item.item_id].contributions, abs=1e-5)


def test_only_unknown_items_have_kept_their_rank(reranker: Reranker) -> None:
    for item in reranker.rank(["172"], ["?a", *FILMS, "?b"], policy=(TailBoost(0.4),), explain=True):
        contributions = item.contributions or {}
        assert sum(contributions.values()) == pytest.approx(item.score, abs=1e-4)
        assert (contributions["rank kept"] == 0) == item.known


@pytest.mark.parametrize("scores", [None, [5.0, 3.0, 1.0, float("nan"), 9.0, 2.0, 2.0, 0.0]])
def test_the_parts_say_what_sets_an_item_apart_from_the_known_items_of_its_list(
    reranker: Reranker, scores: list[float] | None
) -> None:
    found = reranker.explain(["172"], ["?", *FILMS], scores=scores)
    known = [part for part in found if part.by_event]
    assert len(known) == len(FILMS)
    mean = np.mean([part.score for part in known])
    for part in found:
        assert part.contributions["list mean"] == pytest.approx(mean, abs=1e-4)
        assert part.lift == pytest.approx(sum(reason.lift for reason in part.reasons), abs=1e-4)
    for name in set(known[0].contributions) - {"list mean"}:
        assert np.mean([part.contributions[name] for part in known]) == pytest.approx(0, abs=1e-4)


def test_a_shorter_ranking_is_explained_as_the_same_items_of_the_whole_one(reranker: Reranker) -> None:
    whole = reranker.explain(["172"], FILMS)
    assert reranker.explain(["172"], FILMS, k=2) == whole[:2]
    request = Request(["172"], FILMS, explain=True)
    assert reranker.explained(request, reranker.rank(request), 3) == whole[:3]


def test_the_strongest_reasons_are_the_first_and_the_last(reranker: Reranker) -> None:
    first, second, *_ = reranker.explain(["172", "1682"], FILMS)
    for told in (first, Contrast(first, second)):
        assert told.strongest(2) == told.reasons[:2] + told.reasons[-1:]
        assert told.strongest(99) == told.reasons


def test_a_reason_names_the_event_behind_it_whatever_the_model_does_not_know(reranker: Reranker) -> None:
    history = ["172", "?", "1682"]
    for part in reranker.explain(history, FILMS):
        assert part.events == ("172", "1682")
        [reason] = [each for each in part.reasons if each.name == "semantic"]
        shares = dict(zip(part.events, part.by_event["semantic"], strict=True))
        assert reason.event == (max if reason.lift > 0 else min)(shares, key=lambda event: shares[event])


@HISTORIES
def test_events_add_up_to_their_signal(reranker: Reranker, history: list[str]) -> None:
    for part in reranker.explain(history, FILMS):
        assert set(part.by_event) == set(reranker.fusion.signals) - {"popularity"}
        for name, shares in part.by_event.items():
            assert len(shares) == len(history)
            assert sum(shares) == pytest.approx(part.contributions[name], abs=1e-4)


def test_an_item_of_the_history_is_explained_by_its_own_events(reranker: Reranker) -> None:
    film = reranker.explain(["172", "174", "210", "172"], ["172", "1682"])[0]
    shares = film.by_event["frequency"]
    assert film.item_id == "172"
    assert shares[1] == shares[2] == 0
    assert shares[0] == shares[3] != 0


def test_only_events_that_the_signals_saw_are_named(reranker: Reranker, movielens: Dataset) -> None:
    long, most = movielens.item_ids[:300], reranker.settings.max_history
    part = reranker.explain(long, FILMS)[3]
    assert {len(shares) for shares in part.by_event.values()} == {most}
    assert part == reranker.explain(long[-most:], FILMS)[3]


def test_no_candidates_need_no_explanation(reranker: Reranker) -> None:
    assert reranker.explain(["172"], []) == []


def test_the_base_is_what_the_count_earns(reranker: Reranker) -> None:
    counts = reranker.catalogue.counts
    bare = {part.item_id: part.contributions["base"] for part in reranker.explain([], FILMS)}
    popular = [
        film
        for film in FILMS
        if counts[reranker.catalogue.items["item_id"].index_of(film)] >= COUNT_KNOTS[-1]
    ]
    assert len(popular) > 1
    assert len({bare[film] for film in popular}) == 1
    assert bare["1682"] != bare["50"]
    assert np.isfinite(list(bare.values())).all()
