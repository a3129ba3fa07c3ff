"""The part of a list that steps choose the first ranks from."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from tailrank.arrays import Floats, Offsets
from tailrank.policy.base import Scored

CONSIDERED: Final = 100
"""Candidates from which the first ranks are chosen: what is further down has too little to say for itself."""

Places: TypeAlias = Annotated[int, Meta(ge=1)]
"""Ranks that a step fills, from the first; further down all stays as it is."""

Strength: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
"""How much a step's own aim counts: at 0 nothing changes, at 1 scores count no more."""


def shortlist(scored: Scored, places: int) -> Offsets:
    """Give the candidates that a step considers for the first `places` ranks, best first."""
    return scored.order[: max(CONSIDERED, places)]


def relevance(scores: Floats) -> Floats:
    """Scale the scores of a shortlist to 0 to 1, whatever they were; equal ones are 0.

    Aims that lie within 0 and 1, such as cosines, would count for nothing beside log-odds, and for everything
    beside reciprocal ranks.

    Parameters
    ----------
    scores
        Best first, shape (candidates,).

    Examples
    --------
    >>> import numpy as np
    >>> relevance(np.array([-2.0, -3.0, -6.0], np.float32)).tolist()
    [1.0, 0.75, 0.0]
    """
    if not len(scores):
        return scores
    scaled: Floats = (scores - scores[-1]) / ((scores[0] - scores[-1]) or 1)
    return scaled
