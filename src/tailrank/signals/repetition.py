"""What the person took before and may take again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.signals.fading import FadingSum
from tailrank.signals.protocol import Arrays, Candidates


@dataclass(frozen=True, kw_only=True)
class Frequency(FadingSum):
    """How often a candidate occurs in the history.

    Weighs against an item already owned as well as for one bought every week: fusion decides.
    """

    name: ClassVar[str] = "frequency"

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Nothing is counted beyond the history itself."""
        return cls()

    def arrays(self) -> Arrays:
        """Give the fading."""
        return {"fading": np.array([self.fading])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the fading."""
        return cls(fading=float(arrays["fading"][0]))

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        slots = candidates.slots.take(items)
        (hit,) = (slots >= 0).nonzero()
        cells = owners.take(hit) * len(candidates) + slots.take(hit)
        total = np.bincount(cells, weights.take(hit), n_owners * len(candidates))
        return total.reshape(n_owners, len(candidates)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Loyalty(Frequency):
    """How often a candidate occurs in the history, against how often its popularity alone would make it.

    ``log(1 + count / (30 p))``, with the candidate's share p of all events: what turns a ranking by
    popularity into one person's own frequencies, Dirichlet-smoothed (Zhai and Lafferty, 2001, section 3).

    Attributes
    ----------
    expected
        Occurrences in 30 events by popularity alone, shape (items,).
    """

    expected: Floats

    name: ClassVar[str] = "loyalty"
    smoothing: ClassVar[float] = 30.0

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Count events, one more for each item so that none is impossible."""
        counts = dataset.counts + 1
        return cls(expected=(cls.smoothing * counts / counts.sum()).astype(np.float32))

    def arrays(self) -> Arrays:
        """Give the expectation and the fading."""
        return {"expected": self.expected, **super().arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the expectation and the fading."""
        return cls(expected=arrays["expected"], fading=float(arrays["fading"][0]))

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        counts = super()._sums(items, weights, owners, n_owners, candidates)
        return counts / self.expected.take(candidates.codes)
