"""A signal: how much there is to read of an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData


@dataclass(frozen=True)
class TextLength:
    """Scores an item by the logarithm of its text's length."""

    lengths: Floats

    name: ClassVar[str] = "text-length"

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Measure the texts."""
        return [cls(log_lengths(data.texts))]

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is: events change no text."""
        return self

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Repeat the lengths for every history; shape (histories, candidates)."""
        lengths = self.lengths if candidates.whole else self.lengths.take(candidates.codes)
        return lengths[None].repeat(len(histories), axis=0)

    def by_event(self, histories: Histories, candidates: Candidates) -> None:
        """Nothing comes from single events."""
        return

    def with_items(self, updates: ItemUpdates) -> Self:
        """Measure new and changed texts."""
        lengths = np.zeros(updates.n_items, np.float32)
        lengths[: len(self.lengths)] = self.lengths
        lengths[updates.codes] = log_lengths(updates.texts)
        return type(self)(lengths)

    def arrays(self) -> Arrays:
        """Give the lengths."""
        return {"lengths": self.lengths}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the lengths."""
        return cls(arrays.floats("lengths", arrays.n_items, least=0))


def log_lengths(texts: Sequence[str]) -> Floats:
    """Measure texts."""
    return np.log1p(np.array([len(text) for text in texts], np.float32))
