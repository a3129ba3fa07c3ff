"""How often an item occurs in recent events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.bounds import latest_plausible_time
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.room import Room
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData

DAY: Final = 86_400.0
HALF_LIVES: Final = (7.0, 30.0, 90.0, 365.0, float("inf"))
"""Days to choose among."""


@dataclass(frozen=True)
class Popularity:
    """log(1 + interactions that decay with a half-life).

    Attributes
    ----------
    values
        Shape (items,).
    half_life
        Days.
    room
        Behind `values`.
    """

    values: Floats
    half_life: float = float("inf")
    room: Room = field(default_factory=Room, compare=False, repr=False)

    name: ClassVar[str] = "popularity"

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Choose the half-life, then count."""
        train = data.split.train
        return [cls.from_events(train, best_half_life(train, data.validation))]

    @classmethod
    def from_events(cls, dataset: Dataset, half_life: float = float("inf")) -> Self:
        """Count events, each decaying with its age at the end of the data (`Histories.latest_time`).

        An event beyond that end has no age; one that is still to come, by a wrong clock, counts as much as
        the others do on average.

        Parameters
        ----------
        dataset
            Decay needs timestamps; events of other data count in full.
        half_life
            Days.
        """
        h = dataset.histories
        weights = np.ones(len(h.items))
        if dataset.clock == "timestamp" and len(h.items):
            weights = 0.5 ** (np.maximum(h.latest_time - h.times, 0) / (half_life * DAY))
            passed = h.times <= latest_plausible_time()
            if passed.any():
                weights[~passed] = weights[passed].mean()
        decayed = np.bincount(h.items, weights, dataset.n_items)
        return cls(np.log1p(decayed).astype(np.float32), half_life)

    def refit(self, data: TrainingData) -> Self:
        """Count all events of training."""
        return self.from_events(data.split.full_train, self.half_life)

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Repeat the values for every history; shape (histories, candidates)."""
        values = self.values if candidates.whole else self.values.take(candidates.codes)
        return values[None].repeat(len(histories), axis=0)

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Look the values up; shape (pairs,)."""
        return self.values.take(lists.codes)

    def by_event(self, histories: Histories, candidates: Candidates) -> None:
        """Nothing comes from single events."""
        return

    def with_items(self, updates: ItemUpdates) -> Self:
        """Let new items have no interaction."""
        [values] = self.room.extended(updates.n_items, (self.values, 0))
        return replace(self, values=values)

    def arrays(self) -> Arrays:
        """Give the values and the half-life."""
        return {"values": self.values, "half_life": np.array([self.half_life])}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the values and the half-life."""
        values = arrays.floats("values", arrays.n_items, least=0)
        return cls(values, arrays.number("half_life", 1 / DAY, float("inf")))


def best_half_life(dataset: Dataset, validation: Queries) -> float:
    """Choose the half-life in days under which the validation targets were most likely.

    The likelihood of an item is its decayed count plus one, over the sum of all.
    """
    if dataset.clock != "timestamp":
        return float("inf")

    def likelihood(half_life: float) -> float:
        mass = np.exp(Popularity.from_events(dataset, half_life).values.astype(np.float64))
        return float(np.log(mass[validation.targets] / mass.sum()).mean())

    return max(HALF_LIVES, key=likelihood)
