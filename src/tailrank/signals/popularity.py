"""How often an item was taken, lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.signals.base import Arrays, ItemUpdates

DAY: Final = 86_400.0
HALF_LIVES: Final = (7.0, 30.0, 90.0, 365.0, float("inf"))
"""Days to choose among."""


@dataclass(frozen=True)
class Popularity:
    """log(1 + interactions that fade with a half-life).

    Attributes
    ----------
    values
        Shape (items,).
    """

    values: Floats

    name: ClassVar[str] = "popularity"

    @classmethod
    def fit(cls, dataset: Dataset, half_life: float = float("inf")) -> Self:
        """Count events, each fading with its age at the end of the data.

        Parameters
        ----------
        dataset
            Fading needs timestamps; events of other data count in full.
        half_life
            Days.
        """
        h = dataset.histories
        weights = np.ones(len(h.items))
        if dataset.clock == "timestamp" and len(h.items):
            weights = 0.5 ** ((h.times.max() - h.times) / (half_life * DAY))
        return cls(np.log1p(np.bincount(h.items, weights, dataset.n_items)).astype(np.float32))

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Repeat the values for every history; shape (histories, candidates)."""
        values = self.values if candidates.whole else self.values.take(candidates.codes)
        return values[None].repeat(len(histories), axis=0)

    def by_event(self, histories: Histories, candidates: Candidates) -> None:
        """Nothing comes from single events."""
        return

    def with_items(self, new: ItemUpdates) -> Self:
        """Let new items have no interaction."""
        values = np.zeros(new.n_items, np.float32)
        values[: len(self.values)] = self.values
        return type(self)(values)

    def arrays(self) -> Arrays:
        """Give the values."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the values."""
        return cls(arrays["values"])


def best_half_life(dataset: Dataset, validation: Queries) -> float:
    """Choose the half-life in days under which the validation targets were most likely.

    The likelihood of an item is its fading count plus one, over the sum of all.
    """
    if dataset.clock != "timestamp":
        return float("inf")

    def likelihood(half_life: float) -> float:
        mass = np.exp(Popularity.fit(dataset, half_life).values.astype(np.float64))
        return float(np.log(mass[validation.targets] / mass.sum()).mean())

    return max(HALF_LIVES, key=likelihood)
