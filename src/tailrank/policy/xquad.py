"""Head and tail in the proportion that the user likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tailrank.arrays import Floats
from tailrank.bounds import check_bounds
from tailrank.policy.base import Scored
from tailrank.policy.shortlist import Places, Strength, fill, relevance, shortlist


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
        shares = np.array([1 - liked, liked], np.float32)

        def lacking(counts: Floats) -> Floats:
            lack: Floats = shares * (1 - counts / max(counts.sum(), 1))
            return lack

        tail = listing.tail[best]
        groups = [(~tail).nonzero()[0].tolist(), tail.nonzero()[0].tolist()]
        chosen = fill(relevance(scored.scores[best]), groups, self.places, self.strength, lacking)
        return scored.reordered(self.name, best[chosen])
