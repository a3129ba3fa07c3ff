"""Head and tail in the proportion that the user likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.bounds import check_bounds
from tailrank.policy.base import Scored
from tailrank.policy.shortlist import Places, Strength, relevance, shortlist


@dataclass(frozen=True)
class XQuad:
    """Fills the first ranks with head and tail items by turns, as far as the user's own events go.

    The next item maximises (1 - strength) P(v|u) + strength P(d|u) (1 - P(d|S)): smooth xQuAD (Abdollahpouri,
    Burke and Mobasher, 2019, equation 4). P(v|u) is its score, scaled to 0 to 1; d is the tail or the head,
    whichever it belongs to; P(d|u) is the share of the user's events on items of d, half if there are none;
    P(d|S) is the share of the ranks so far that d has. To the letter, the equation takes the last factor once
    for each rank so far, by which long lists become half tail whatever the user likes; taken once, as here,
    it draws them towards P(d|u).

    Attributes
    ----------
    strength
        From 0, by scores alone, to 1, by proportion alone.
    places
        Ranks to fill.

    Raises
    ------
    RequestError
        On a setting out of its bounds.
    """

    strength: Strength = 0.3
    places: Places = 10

    name: ClassVar[str] = "xquad"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Re-order the first ranks."""
        if not self.strength:
            return scored
        listing, best = scored.listing_for(self.name), shortlist(scored, self.places)
        liked = listing.history_tail.mean() if len(listing.history) else 0.5
        chosen = self._chosen(relevance(scored.scores[best]), listing.tail[best], float(liked))
        return scored.reordered(self.name, best[chosen])

    def _chosen(self, scores: Floats, tail: Bools, liked: float) -> list[int]:
        """Choose from the best head item that is left and the best tail item, rank by rank."""
        relevant, chosen = scores.tolist(), list[int]()
        waiting = [np.flatnonzero(kind)[::-1].tolist() for kind in (~tail, tail)]
        shares, shown = (1 - liked, liked), [0, 0]
        for rank in range(min(self.places, len(relevant))):
            worth = [
                (1 - self.strength) * relevant[items[-1]] + self.strength * share * (1 - count / (rank or 1))
                if items
                else -np.inf
                for items, share, count in zip(waiting, shares, shown, strict=True)
            ]
            kind = int(worth[1] > worth[0])
            chosen.append(waiting[kind].pop())
            shown[kind] += 1
        return chosen
