"""How often the user chose an item before and may choose it again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.dataset import Dataset
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.decay_choice import fit_recency_decay
from tailrank.signals.recency_decay import DecayedSum, stored_recency_decay
from tailrank.signals.room import Room
from tailrank.signals.sparse import summed
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData


@dataclass(frozen=True, kw_only=True)
class Frequency(DecayedSum):
    """How often a candidate occurs in the history.

    Weighs against an item already owned as well as for one bought every week: fusion decides.
    """

    name: ClassVar[str] = "frequency"

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Choose the recency decay, if items of the history are candidates."""
        return [fit_recency_decay(cls(), data)] if data.split.repeats else []

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is: nothing is counted beyond the history itself."""
        return self

    def with_items(self, updates: ItemUpdates) -> Self:
        """Stay as it is."""
        return self

    def arrays(self) -> Arrays:
        """Give the recency decay."""
        return {"recency_decay": np.array([self.recency_decay])}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the recency decay."""
        return cls(recency_decay=stored_recency_decay(arrays))

    def reached(self, items: Codes) -> Codes:
        """Name the items themselves."""
        return items

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        hit, slots = candidates.find(items)
        return summed(owners.take(hit), slots, weights.take(hit), (n_owners, len(candidates)))

    def _sums_of_lists(self, items: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        hits, slots = lists.find(items, np.bincount(owners, minlength=len(lists.lengths)))
        return np.bincount(slots, weights.take(hits), len(lists)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class RelativeFrequency(Frequency):
    """How often a candidate occurs in the history, against how often its popularity alone would make it.

    ``log(1 + count / (30 p))``, with the candidate's share p of all events: what turns a ranking by
    popularity into the user's own frequencies, Dirichlet-smoothed (Zhai and Lafferty, 2001, section 3).

    Attributes
    ----------
    expected
        Occurrences in 30 events by popularity alone, shape (items,).
    expected_cold
        The same for a cold item.
    room
        Behind `expected`.
    """

    expected: Floats
    expected_cold: float
    room: Room = field(default_factory=Room, compare=False, repr=False)

    name: ClassVar[str] = "relative-frequency"
    smoothing: ClassVar[float] = 30.0
    rarest: ClassVar[float] = 1e-15

    @classmethod
    def from_events(cls, dataset: Dataset) -> Self:
        """Count events, one more for each item so that none is impossible."""
        counts = dataset.counts + 1
        expected = (cls.smoothing * counts / counts.sum()).astype(np.float32)
        return cls(expected=expected, expected_cold=float(cls.smoothing / counts.sum()))

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Count, then choose the recency decay, if items of the history are candidates."""
        if not data.split.repeats:
            return []
        signal = cls.from_events(data.split.train)
        return [fit_recency_decay(signal, data, np.log(signal.expected))]

    def refit(self, data: TrainingData) -> Self:
        """Count all events of training."""
        return replace(self.from_events(data.split.full_train), recency_decay=self.recency_decay)

    def with_items(self, updates: ItemUpdates) -> Self:
        """Expect new items as cold ones."""
        [expected] = self.room.extended(updates.n_items, (self.expected, self.expected_cold))
        return replace(self, expected=expected)

    def arrays(self) -> Arrays:
        """Give the expectations and the recency decay."""
        expected = {"expected": self.expected, "expected_cold": np.array([self.expected_cold])}
        return {**expected, **super().arrays()}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the expectations and the recency decay."""
        return cls(
            expected=arrays.floats("expected", arrays.n_items, least=cls.rarest),
            expected_cold=arrays.number("expected_cold", cls.rarest, cls.smoothing),
            recency_decay=stored_recency_decay(arrays),
        )

    def _sums(
        self, items: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        counts = super()._sums(items, weights, owners, n_owners, candidates)
        counts /= self.expected.take(candidates.codes)
        return counts

    def _sums_of_lists(self, items: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        counts = super()._sums_of_lists(items, weights, owners, lists)
        counts /= self.expected.take(lists.codes)
        return counts
