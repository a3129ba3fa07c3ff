"""What signals said is kept as it was, so that fusion gives the score once more."""

import numpy as np
import pytest

from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "100", "1682", "742", "1", "172"]


@pytest.mark.parametrize("candidates", [FILMS, ["?a", *FILMS, "50", "?b"]], ids=["known", "unknown"])
@pytest.mark.parametrize("k", [None, 4])
def test_fusion_gives_the_score_of_what_is_kept(
    reranker: Reranker, candidates: list[str], k: int | None
) -> None:
    request = Request(["172", "174", "210", "172"], candidates, policy=(), k=k, keep_signals=True)
    ranking = reranker.rank(request)
    kept = ranking.signals
    assert kept is not None
    assert kept.names == reranker.fusion.signals
    weights = reranker.fusion.weights_of(kept.count_levels, kept.history_bucket)
    biases = reranker.fusion.biases_of(kept.count_levels, kept.history_bucket)
    known = [item.known for item in ranking]
    given = (kept.values * weights.T).sum(axis=1) + biases
    np.testing.assert_allclose(given[known], np.array(ranking.scores)[known], rtol=1e-4, atol=1e-4)
    assert np.isnan(kept.values[~np.array(known)]).all()


def test_nothing_is_kept_unless_asked_for(reranker: Reranker) -> None:
    assert reranker.rank(["50"], FILMS).signals is None
