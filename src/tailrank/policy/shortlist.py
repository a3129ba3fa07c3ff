"""The part of a list that steps choose the first ranks from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeAlias

import numpy as np
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
    >>> relevance(np.array([-2.0, -3.0, -6.0], np.float32)).tolist()
    [1.0, 0.75, 0.0]
    """
    if not len(scores):
        return scores
    scaled: Floats = (scores - scores[-1]) / ((scores[0] - scores[-1]) or 1)
    return scaled


def fill(
    scores: Floats,
    groups: Sequence[Sequence[int]],
    places: int,
    strength: float,
    worth: Callable[[Floats], Floats],
) -> list[int]:
    """Choose items one by one: next is whose score and whose group are worth most.

    As the items of a group differ by score alone, only the best of each has to be looked at.

    Parameters
    ----------
    scores
        Of a shortlist, best first, from 0 to 1, shape (candidates,).
    groups
        Positions of those in each group, the best first.
    places
        Items to choose.
    strength
        How much the group counts, and the score the less.
    worth
        From how many items of each group are chosen so far to what one more of each is worth, both of shape
        (groups,).

    Returns
    -------
    list[int]
        Positions in the shortlist.
    """
    waiting = [[*reversed(group)] for group in groups]
    best = np.array([scores[group[-1]] if group else -np.inf for group in waiting], np.float32)
    chosen, counts = list[int](), np.zeros(len(waiting), np.float32)
    for _ in range(min(places, len(scores))):
        next_one = int(((1 - strength) * best + strength * worth(counts)).argmax())
        group = waiting[next_one]
        chosen.append(group.pop())
        counts[next_one] += 1
        best[next_one] = scores[group[-1]] if group else -np.inf
    return chosen
