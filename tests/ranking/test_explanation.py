"""An explanation takes a score apart and leaves nothing over."""

import numpy as np
import pytest

from tailrank.data.dataset import Dataset
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "100", "1682", "742", "1", "172"]
HISTORIES = pytest.mark.parametrize("past", [[], ["172"], ["172", "174", "210", "172"]], ids=len)


@HISTORIES
@pytest.mark.parametrize(
    "scores", [None, [3.0, 1.0, float("nan"), 9.0, 2.0, 2.0, 0.0]], ids=["own", "upstream"]
)
@pytest.mark.parametrize("tail", [0.0, 0.4])
def test_contributions_add_up_to_the_score_it_was_ranked_by(
    reranker: Reranker, past: list[str], scores: list[float] | None, tail: float
) -> None:
    ranked = {item.item_id: item.score for item in reranker.rank(past, FILMS, scores=scores, tail=tail)}
    explained = reranker.explain(past, FILMS, scores, tail)
    assert [part.item_id for part in explained] == FILMS
    for part in explained:
        assert part.score == pytest.approx(ranked[part.item_id], abs=1e-4)
        assert sum(part.contributions.values()) == pytest.approx(part.score, abs=1e-4)
        own = {"base", *reranker.fusion.signals}
        added = {name for name, used in (("upstream", scores), ("long-tail", tail)) if used}
        assert set(part.contributions) == own | added


@HISTORIES
def test_events_add_up_to_their_signal(reranker: Reranker, past: list[str]) -> None:
    for part in reranker.explain(past, FILMS):
        assert set(part.by_event) == set(reranker.fusion.signals) - {"popularity"}
        for name, shares in part.by_event.items():
            assert len(shares) == len(past)
            assert sum(shares) == pytest.approx(part.contributions[name], abs=1e-4)


def test_an_item_taken_before_is_explained_by_the_events_that_took_it(reranker: Reranker) -> None:
    film = reranker.explain(["172", "174", "210", "172"], ["172"])[0]
    shares = film.by_event["frequency"]
    assert shares[1] == shares[2] == 0
    assert shares[0] == shares[3]


def test_only_events_that_the_signals_saw_are_told(reranker: Reranker, movielens: Dataset) -> None:
    long, most = movielens.item_ids[:300], reranker.settings.max_history
    part = reranker.explain(long, FILMS)[3]
    assert {len(shares) for shares in part.by_event.values()} == {most}
    assert part == reranker.explain(long[-most:], FILMS)[3]


def test_no_candidates_need_no_explanation(reranker: Reranker) -> None:
    assert reranker.explain(["172"], []) == []


def test_the_base_is_what_the_count_bucket_earns(reranker: Reranker) -> None:
    counts = reranker.catalogue.counts
    bare = {part.item_id: part.contributions["base"] for part in reranker.explain([], FILMS)}
    popular = [film for film in FILMS if counts[reranker.catalogue.items["item_id"].index_of(film)] > 20]
    assert len({bare[film] for film in popular}) == 1
    assert bare["1682"] != bare["50"]
    assert np.isfinite(list(bare.values())).all()
