"""Steps that come after those of the model or of a request, whatever it asks for."""

from typing import ClassVar

import numpy as np

from tailrank.policy.base import Scored
from tailrank.policy.tail import TailBoost
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000"]


class NoPopular:
    """Takes the most popular candidates from the list."""

    name: ClassVar[str] = "no-popular"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        return scored.without("popular", scored.rarity < 0.1)


def test_they_follow_those_of_the_model_and_of_a_request(reranker: Reranker) -> None:
    standing = reranker.with_standing([TailBoost(0.5)])
    asked = (TailBoost(0.25),)
    for policy, whole in ((None, reranker.policy), ((), ()), (asked, asked)):
        expected = reranker.rank(["50"], CANDIDATES, policy=(*whole, TailBoost(0.5)))
        assert standing.rank(["50"], CANDIDATES, policy=policy) == expected


def test_they_count_in_an_evaluation(reranker: Reranker) -> None:
    histories, _ = reranker.catalogue.histories([Request(["50", "181"]).columns])
    candidates = reranker.catalogue.candidates(reranker.catalogue.codes_of(CANDIDATES))
    standing = reranker.with_standing([NoPopular()])
    [scores] = standing.score(histories, candidates)
    ranking = standing.rank(["50", "181"], CANDIDATES)
    assert ranking.removed
    assert {CANDIDATES[at] for at in np.flatnonzero(np.isinf(scores))} == ranking.removed.keys()
    best = [CANDIDATES[at] for at in (-scores).argsort(kind="stable")]
    assert ranking.item_ids == best[: len(ranking)]


def test_they_rank_even_if_nothing_else_does(reranker: Reranker) -> None:
    request = Request(["50"], ["1000", "50", "1000", "?"], [4.0, 3.0, 2.0, 1.0], k=2)
    assert reranker.upstream_ranking(request) == request.upstream_ranking()
    found = reranker.with_standing([NoPopular()]).upstream_ranking(request)
    assert (found.item_ids, found.previous_ranks, found.scores) == (["1000", "?"], [1, 4], [4, 1])
    assert found.removed == {"50": "popular"}
