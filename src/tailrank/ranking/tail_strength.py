"""How strong the tail policy may be before accuracy suffers."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.metrics.ranking import ndcg
from tailrank.policy.base import Scored
from tailrank.policy.tail import TailBoost
from tailrank.ranking.fusion import Fusion, SampledCandidates

STRENGTHS: Final = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5)
"""Beyond a half, items that weren't sampled would enter the first ten: the sample would flatter it."""


def affordable_strength(fusion: Fusion, sampled: SampledCandidates, rare: Floats, cost: float) -> float:
    """Choose the greatest strength of the tail policy whose price in ndcg@10 can be afforded.

    Fusion learns how popular items were while it was fitted; tastes move on, and what was popular then is
    overrated later. On events after those that fusion learned from, a boost often costs nothing.

    Parameters
    ----------
    fusion
        Fitted on other queries than those sampled for.
    sampled
        Candidates of the queries to choose by, the target first.
    rare
        Rarity of the candidates, shape (queries, candidates).
    cost
        Share of the best strength's ndcg@10 that may be given up.

    Returns
    -------
    float
        One of `STRENGTHS`.
    """
    scored = Scored(fusion.score(sampled), rare)
    metrics = []
    for strength in STRENGTHS:
        scores = TailBoost(strength).apply(scored).scores
        ranks = 1 + (scores > scores[:, :1]).sum(axis=1)
        metrics.append(float(ndcg(ranks).mean()))
    afforded = np.array(metrics) >= (1 - cost) * max(metrics)
    return STRENGTHS[int(np.flatnonzero(afforded)[-1])]
