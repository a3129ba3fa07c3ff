"""The rankings themselves, to compare those of two builds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.probes import answer
from tailrank.ranking.reranker import Reranker


def measure(model: str, requests: str, n: int, out: str) -> dict[str, Any]:
    """Rank n requests; write scores and ranks of the candidates as listed, each of shape (n, candidates)."""
    ranker, asked = Reranker.load(Path(model)), json.loads(Path(requests).read_text())
    histories, lists = asked["histories"], asked["lists"]
    scores, ranks = np.zeros((n, len(lists[0]))), np.zeros((n, len(lists[0])), np.int32)
    for at in range(n):
        candidates = lists[at % len(lists)]
        ranking = ranker.rank(histories[at % len(histories)], candidates)
        found = dict(zip(ranking.item_ids, enumerate(ranking.scores), strict=True))
        ranks[at], scores[at] = zip(*(found[name] for name in candidates), strict=True)
    np.savez(out, scores=scores, ranks=ranks)
    return {"requests": n}


if __name__ == "__main__":
    answer(measure)
