"""How likely events are observed, and how much they count if that is corrected for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Offsets

CLIP: Final = 10.0
"""What no weight exceeds, so that no single event decides."""


@dataclass(frozen=True)
class PopularityPropensity:
    """How likely an event on each item is observed, if popularity alone decides that.

    That of Saito et al. ("Unbiased recommender learning from missing-not-at-random implicit feedback", WSDM
    2020) and Yang et al. ("Unbiased offline recommender evaluation for missing-not-at-random implicit
    feedback", RecSys 2018): a power of its events, as a share of those of the most popular item.

    Attributes
    ----------
    chances
        Of each item, above 0 and at most 1, shape (items,).
    clip
        What no inverse exceeds.
    """

    chances: Doubles
    clip: float = CLIP

    @classmethod
    def from_counts(cls, counts: Offsets, power: float, clip: float = CLIP) -> Self:
        """Raise shares of the most popular item's events to a power; no events count as one.

        Parameters
        ----------
        counts
            Events of each item, shape (items,).
        power
            0 says that all are observed, 1 that items differ in nothing but that.
        clip
            What no inverse exceeds, 1 or more.
        """
        known = np.maximum(counts, 1)
        return cls((known / known.max()) ** power, clip)

    def weights(self, items: Codes) -> Doubles:
        """Give clipped inverse propensities of events on these items, 1 on average.

        Parameters
        ----------
        items
            Of the events, shape (events,).

        Returns
        -------
        Doubles
            Shape (events,).

        Examples
        --------
        >>> propensity = PopularityPropensity.from_counts(np.array([100, 25, 0]), power=0.5, clip=4.0)
        >>> propensity.weights(np.array([0, 0, 1, 2])).tolist()  # 1, 1, 2, and 4 instead of 10, over 2
        [0.5, 0.5, 1.0, 2.0]
        """
        inverse = np.minimum(1 / self.chances, self.clip)[items]
        weights: Doubles = inverse / inverse.mean()
        return weights
