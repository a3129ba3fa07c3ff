"""Which events belong to which impression: clicks, dislikes, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Doubles
from tailrank.feedback.impressions import Impression

DISLIKES: Final = frozenset({"dislike", "hide", "not_interested", "report", "skip"})
"""Types of events that say that an item wasn't wanted: these are no clicks."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a user did with a list.

    Attributes
    ----------
    impression
        The list.
    clicked
        Items with an event that says that the item was wanted, whatever its type; shape (items,).
    times
        By the type of an event, when each item had its first one, in seconds since 1970; NaN if it had none;
        shape (items,).
    """

    impression: Impression
    clicked: Bools
    times: Mapping[str, Doubles]

    @property
    def disliked(self) -> Bools:
        """Items with an event of `DISLIKES`, shape (items,)."""
        return self._had(DISLIKES)

    @property
    def skipped(self) -> Bools:
        """Items that were passed over, shape (items,): without any event, above one that was clicked.

        Who clicked an item has looked at those above it ("skip above"; Joachims et al., 2005).
        """
        below = np.flatnonzero(self.clicked)
        above = np.arange(len(self.clicked)) < (below[-1] if len(below) else 0)
        skipped: Bools = above & ~self._had(self.times)
        return skipped

    def _had(self, types: Iterable[str]) -> Bools:
        had = np.zeros(len(self.clicked), np.bool_)
        for name in types:
            if name in self.times:
                had |= ~np.isnan(self.times[name])
        return had
