"""Rankings in the shape of `/v1/rerank`: by the indices of what was sent, for whoever sorts by scores."""

from __future__ import annotations

from collections.abc import Sequence

from tailrank.api import Ranking
from tailrank.api_texts import RerankedDocument, RerankResponse


def by_index(items: Sequence[str], ranking: Ranking) -> RerankResponse:
    """Give each item that was sent the reciprocal of its rank, which policies may have moved off its score.

    An item that was sent again has the same; one that a policy removed has 0, and comes last.
    """
    ranks = {item.id: item.rank for item in ranking.items}
    scores = [1 / ranks[name] if name in ranks else 0.0 for name in items]
    order = sorted(range(len(items)), key=lambda at: -scores[at])
    results = [RerankedDocument(at, scores[at]) for at in order]
    return RerankResponse(ranking.ranking_id, ranking.model, results, {"degraded": ranking.degraded})
