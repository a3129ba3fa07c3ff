"""What the person took before and may take again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.recency_decay import DecayedSum


@dataclass(frozen=True, kw_only=True)
class Frequency(DecayedSum):
    """How often a candidate occurs in the history.

    Weighs against an item already owned as well as for one bought every week: fusion decides.
    """

    name: ClassVar[str] = "frequency"

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Nothing is counted beyond the history itself."""
        return cls()

    def with_items(self, new: ItemUpdates) -> Self:
        """Stay as it is."""
        return self

    def arrays(self) -> Arrays:
        """Give the fading."""
        return {"fading": np.array([self.recency_decay])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the fading."""
        return cls(recency_decay=float(arrays["fading"][0]))

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        hit, slots = candidates.find(items)
        cells = owners.take(hit) * len(candidates) + slots
        total = np.bincount(cells, weights.take(hit), n_owners * len(candidates))
        return total.reshape(n_owners, len(candidates)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class RelativeFrequency(Frequency):
    """How often a candidate occurs in the history, against how often its popularity alone would make it.

    ``log(1 + count / (30 p))``, with the candidate's share p of all events: what turns a ranking by
    popularity into one person's own frequencies, Dirichlet-smoothed (Zhai and Lafferty, 2001, section 3).

    Attributes
    ----------
    expected
        Occurrences in 30 events by popularity alone, shape (items,).
    unseen
        The same for an item that nobody took.
    """

    expected: Floats
    unseen: float

    name: ClassVar[str] = "loyalty"
    smoothing: ClassVar[float] = 30.0

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Count events, one more for each item so that none is impossible."""
        counts = dataset.counts + 1
        expected = (cls.smoothing * counts / counts.sum()).astype(np.float32)
        return cls(expected=expected, unseen=float(cls.smoothing / counts.sum()))

    def with_items(self, new: ItemUpdates) -> Self:
        """Expect new items as those that nobody took."""
        expected = np.full(new.n_items, self.unseen, np.float32)
        expected[: len(self.expected)] = self.expected
        return replace(self, expected=expected)

    def arrays(self) -> Arrays:
        """Give the expectation and the fading."""
        return {"expected": self.expected, "unseen": np.array([self.unseen]), **super().arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the expectation and the fading."""
        recency_decay, unseen = (float(arrays[name][0]) for name in ("fading", "unseen"))
        return cls(expected=arrays["expected"], unseen=unseen, recency_decay=recency_decay)

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        counts = super()._sums(items, weights, owners, n_owners, candidates)
        return counts / self.expected.take(candidates.codes)
