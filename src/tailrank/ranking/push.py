"""How far the long tail can be pushed before accuracy suffers."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.ranks import ndcg
from tailrank.policy.long_tail import promote
from tailrank.ranking.fusion import Fusion, Pool

STRENGTHS: Final = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Beyond 2 items outside the pool would enter the first ten, so the pool would flatter the push."""

COST: Final = 0.01
"""Share of the best ndcg@10 that a push may cost."""


def affordable_push(fusion: Fusion, pool: Pool, rare: Floats) -> float:
    """Choose the strongest long-tail policy whose ndcg@10 stays within 1% of the best strength's.

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

    Returns
    -------
    float
        One of `STRENGTHS`.
    """
    scores = fusion.score(pool)
    figures = []
    for strength in STRENGTHS:
        pushed = promote(scores, rare, strength)
        ranks = 1 + (pushed > pushed[:, :1]).sum(axis=1)
        figures.append(float(ndcg(ranks).mean()))
    afforded = np.array(figures) >= (1 - COST) * max(figures)
    return STRENGTHS[int(np.flatnonzero(afforded)[-1])]
