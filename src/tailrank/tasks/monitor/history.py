"""What came of a series, period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Offsets
from tailrank.tasks.monitor.settings import WEEK, Kind

KEPT: Final = 8 * WEEK
"""Seconds of the past that expectations are learned from."""


@dataclass
class History:
    """Counts of a series by period, without gaps, the oldest first.

    Attributes
    ----------
    starts
        Of the periods, in seconds since 1970, shape (periods,).
    n, negative
        Texts, and negative ones.
    used
        Which periods are as usual; surges and outages of the stream aren't learned from.
    """

    starts: Offsets
    n: Offsets
    negative: Offsets
    used: Bools

    @classmethod
    def empty(cls, starts: Offsets) -> History:
        """Make one in which nothing came."""
        none = np.zeros(len(starts), np.int64)
        return cls(starts, none, none, np.ones(len(starts), np.bool_))

    def add(self, start: int, n: int, negative: int) -> None:
        """Append a period, and forget what is older than eight weeks."""
        first = int(np.searchsorted(self.starts, start - KEPT))
        self.starts = np.append(self.starts[first:], start)
        self.n = np.append(self.n[first:], n)
        self.negative = np.append(self.negative[first:], negative)
        self.used = np.append(self.used[first:], True)

    def of(self, kind: Kind) -> Offsets:
        """Give the counts that may surge."""
        return self.n if kind == "volume" else self.negative
