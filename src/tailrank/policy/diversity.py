"""Lists whose items differ in what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import numpy as np
from msgspec import Meta

from tailrank.arrays import Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError, needs
from tailrank.policy.base import Scored
from tailrank.policy.shortlist import Places, Strength, relevance, shortlist

if TYPE_CHECKING:
    from pyversity import DiversificationResult

ROUNDING: Final = 1e-4
"""Of the first and largest gain in volume: a gain above that isn't rounding, one below it may be."""

NEW: Final = 0.01
"""Length that a unit vector has outside the span of those before it, at least: less is rounding."""


@dataclass(frozen=True)
class Diversity:
    """Fills the first ranks with items that are good and unlike each other, by their texts.

    Items are chosen one by one. Those without text keep their ranks: nobody knows what they are like.

    Attributes
    ----------
    strategy
        What makes the next item a good one beside its score, which is scaled to 0 to 1. `mmr`: that none of
        those before it is close to it (Carbonell and Goldstein, 1998). `msd`: that it is far from all of them
        on the whole (Borodin et al., 2012). `dpp`: that it spans the largest volume with them, the greedy
        search for the likeliest set of a determinantal point process (Chen, Zhang and Zhou, 2018, algorithm
        1); it ends where nothing adds volume any more, and the others follow by their scores.
    strength
        From 0, by scores alone, to 1. The strategies' strengths can't be compared.
    places
        Ranks to fill.

    Raises
    ------
    RequestError
        On a setting out of its bounds, or if pyversity is missing; when it is applied, if the model reads no
        texts.
    """

    strategy: Literal["mmr", "msd", "dpp"] = "mmr"
    strength: Strength = 0.3
    places: Places = 10

    name: ClassVar[str] = "diversity"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)
        with needs(f"policy {self.name!r}", "policies"):
            import pyversity  # noqa: F401 - so that a model or a request fails at once

    def apply(self, scored: Scored) -> Scored:
        """Re-order the first ranks."""
        return _chosen(self.name, scored, self.places, self._choose) if self.strength else scored

    def _choose(self, vectors: Floats, scores: Floats, places: int) -> Offsets:
        import pyversity

        if self.strategy == "dpp":
            return _independent(pyversity.dpp(vectors, scores, places, self.strength), vectors)
        choose = pyversity.mmr if self.strategy == "mmr" else pyversity.msd
        return choose(vectors, scores, places, self.strength, normalize=False).indices


def _independent(found: DiversificationResult, vectors: Floats) -> Offsets:
    """Cut the choice off where nothing added volume any more, and rounding alone decided."""
    chosen, gains = found.indices, found.selection_scores
    if gains[-1] > ROUNDING * gains[0]:
        return chosen
    lengths = np.abs(np.diagonal(np.linalg.qr(vectors[chosen].T, mode="r")))
    return chosen[: int((lengths > NEW).cumprod().sum())]


@dataclass(frozen=True)
class SimilarityCeiling:
    """Keeps items out of the first ranks that are too close to a better one there, by their texts.

    They move below. If too few are left to fill the ranks, the best of the others do. Items without text keep
    their ranks.

    Attributes
    ----------
    cosine
        That two items may have, at most.
    places
        Ranks that are held to it.

    Raises
    ------
    RequestError
        On a setting out of its bounds; when it is applied, if the model reads no texts.
    """

    cosine: Annotated[float, Meta(ge=0, le=1)] = 0.9
    places: Places = 10

    name: ClassVar[str] = "similarity-ceiling"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Move what is too similar below the first ranks."""
        return _chosen(self.name, scored, self.places, self._choose)

    def _choose(self, vectors: Floats, scores: Floats, places: int) -> Offsets:
        chosen, free = list[int](), np.ones(len(vectors), bool)
        while len(chosen) < places and free[best := int(free.argmax())]:
            chosen.append(best)
            free &= vectors @ vectors[best] <= self.cosine
            free[best] = False
        return np.array(chosen, np.int64)


def _chosen(
    name: str, scored: Scored, places: int, choose: Callable[[Floats, Floats, int], Offsets]
) -> Scored:
    """Let a step choose from the candidates with text, by unit vectors and relevance, the best first.

    What it chooses fills the first ranks but those of candidates without text.
    """
    vectors = scored.listing_for(name).vectors
    if vectors is None:
        raise RequestError(f"policy {name!r} compares items by their texts, and this model reads none")
    best = shortlist(scored, places)
    compared = vectors.take(best, axis=0)
    if len(best) and compared[:, 0].all():  # so none is zero
        chosen = choose(compared, relevance(scored.scores[best]), min(places, len(best)))
        return scored.reordered(name, best[chosen])
    ranks = np.flatnonzero(compared.any(axis=1))
    to_fill = int((ranks < places).sum())
    if not to_fill:
        return scored
    if len(ranks) < len(best):
        compared = compared[ranks]
    texts = best[ranks]
    chosen = choose(compared, relevance(scored.scores[texts]), to_fill)
    top, others = best.copy(), np.ones(len(texts), bool)
    others[chosen] = False
    top[ranks] = np.concatenate([texts[chosen], texts[others]])
    return scored.reordered(name, top)
