"""Users who choose what few others choose, and users who don't."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import Histories
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.room import Room
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData


@dataclass(frozen=True)
class PopularityTaste:
    """How popular a candidate is, times how popular the user's past choices are.

    ``score(c) = p_c * mean_j p_j`` over the events j of the history, where p is the logarithm of one more
    than an item's interactions, less the mean of that over all events. Users differ in their taste for the
    tail (Abdollahpouri et al., 2019, "The unfairness of popularity bias in recommendation", section 3); for
    the average user no item becomes more or less likely.

    Attributes
    ----------
    values
        p of each item, shape (items,).
    cold
        p of an item without interactions.
    room
        Behind `values`.
    """

    values: Floats
    cold: float
    room: Room = field(default_factory=Room, compare=False, repr=False)

    name: ClassVar[str] = "taste"

    @classmethod
    def from_counts(cls, counts: Offsets) -> Self:
        """Centre the logarithms of interactions, shape (items,)."""
        logs = np.log1p(counts)
        average = float(counts @ logs / max(counts.sum(), 1))
        return cls((logs - average).astype(np.float32), -average)

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Count the events before validation."""
        return [cls.from_counts(data.split.train.counts)]

    def refit(self, data: TrainingData) -> Self:
        """Count all events of training."""
        return self.from_counts(data.split.full_train.counts)

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Multiply; shape (histories, candidates). An empty history scores 0."""
        scores: Floats = self._means(histories)[:, None] * self._of(candidates)
        return scores

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Multiply; shape (pairs,)."""
        scores: Floats = self._means(histories).repeat(lists.lengths) * self.values.take(lists.codes)
        return scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Give each event its part of the mean; shape (events, candidates)."""
        events = self.values.take(histories.items) / np.float32(max(len(histories.items), 1))
        parts: Floats = events[:, None] * self._of(candidates)
        return parts

    def with_items(self, updates: ItemUpdates) -> Self:
        """Let new items have no interaction."""
        [values] = self.room.extended(updates.n_items, (self.values, self.cold))
        return replace(self, values=values)

    def arrays(self) -> Arrays:
        """Give the values and that of an item without interactions."""
        return {"values": self.values, "cold": np.array([self.cold])}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the values and that of an item without interactions."""
        values = arrays.floats("values", arrays.n_items, least=-100, largest=100)
        return cls(values, arrays.number("cold", -100, 0))

    def _means(self, histories: Histories) -> Floats:
        """Average the values of each history, 0 for an empty one; shape (histories,)."""
        sums = np.bincount(histories.owners, self.values.take(histories.items), len(histories))
        means: Floats = (sums / np.maximum(histories.lengths, 1)).astype(np.float32)
        return means

    def _of(self, candidates: Candidates) -> Floats:
        return self.values if candidates.whole else self.values.take(candidates.codes)
