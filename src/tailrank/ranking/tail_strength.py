"""How far the long tail can be pushed before accuracy suffers."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.metrics.ranking import ndcg
from tailrank.policy.long_tail import promote
from tailrank.ranking.fusion import Fusion, SampledCandidates

DIALS: Final = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5)
"""Beyond a half items outside the pool would enter the first ten, so the pool would flatter the push."""


def affordable_dial(fusion: Fusion, pool: SampledCandidates, rare: Floats, cost: float) -> float:
    """Choose the highest dial of the long-tail policy whose price in ndcg@10 can be afforded.

    Fusion learns how popular things were while it was fitted; tastes move on, and what was popular
    then is overrated later. Asked on events after those that fusion learned from, a push often
    costs nothing.

    Parameters
    ----------
    fusion
        Fitted on other queries than the pool's.
    pool
        Candidates of the queries to choose by, the target first.
    rare
        Rarity of the candidates, shape (queries, candidates).
    cost
        Share of the best dial's ndcg@10 that may be given up.

    Returns
    -------
    float
        One of `DIALS`.
    """
    scores = fusion.score(pool)
    figures = []
    for dial in DIALS:
        pushed = promote(scores, rare, dial)
        ranks = 1 + (pushed > pushed[:, :1]).sum(axis=1)
        figures.append(float(ndcg(ranks).mean()))
    afforded = np.array(figures) >= (1 - cost) * max(figures)
    return DIALS[int(np.flatnonzero(afforded)[-1])]
