"""Records of lists in which chance had a part: enough to tell later how likely each of them was."""

from __future__ import annotations

import time
from typing import Self

import numpy as np
from msgspec import Struct

from tailrank.arrays import Doubles
from tailrank.policy.exploration import Exploration
from tailrank.ranking.explored import Ensemble, Explored


class EnsembleRecord(Struct, array_like=True, tag="ensemble", gc=False, frozen=True):
    """An `Ensemble`, which a segment holds before the first list that was drawn from it.

    `time` is when it was written there, in seconds since 1970; `draws` are bytes of little-endian numbers.
    """

    time: float
    name: str
    shape: tuple[int, int, int]
    draws: bytes

    @classmethod
    def of(cls, ensemble: Ensemble) -> Self:
        """Take an ensemble that is written now."""
        buckets, draws, corrections = ensemble.draws.shape
        return cls(
            time.time(), ensemble.name, (buckets, draws, corrections), ensemble.draws.astype("<f4").tobytes()
        )

    @property
    def ensemble(self) -> Ensemble:
        """Give it back."""
        return Ensemble(np.frombuffer(self.draws, "<f4").reshape(self.shape))


class ExploredRecord(Struct, array_like=True, gc=False, frozen=True):
    """An `Explored`, whose arrays are bytes of little-endian numbers, with the name of its ensemble."""

    ensemble: str
    bounds: tuple[int, int, int]
    scores: bytes
    features: bytes
    tail: bytes
    order: bytes

    @classmethod
    def of(cls, explored: Explored) -> Self:
        """Take what a ranking says."""
        step = explored.step
        return cls(
            explored.ensemble.name,
            (step.places, step.moves, step.tail_places),
            explored.scores.astype("<f4", copy=False).tobytes(),
            explored.features.astype("<f4", copy=False).tobytes(),
            explored.tail.tobytes(),
            explored.order.astype("<i4").tobytes(),
        )

    def chances(self, ensemble: Ensemble, history_bucket: int, ranks: int) -> Doubles:
        """Tell how likely the item at each rank was to be there, as `Explored.chances` does."""
        scores, order = np.frombuffer(self.scores, "<f4"), np.frombuffer(self.order, "<i4")
        features = np.frombuffer(self.features, "<f4").reshape(len(scores), -1)
        step, tail = Exploration(*self.bounds), np.frombuffer(self.tail, np.bool_)
        return Explored(step, ensemble, history_bucket, scores, features, tail, order).chances(ranks)
