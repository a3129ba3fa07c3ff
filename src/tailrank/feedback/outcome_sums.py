"""OutcomeSums: sums over outcomes, which fade with time and add up in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Doubles
from tailrank.bounds import latest_plausible_time
from tailrank.errors import RequestError
from tailrank.signals.base import Arrays
from tailrank.signals.stored import StoredArrays

LARGEST_SUM: Final = 1e15
"""What no stored sum exceeds."""


@dataclass
class OutcomeSums:
    """What outcomes say of corrections, by history bucket: a quadratic log-likelihood.

    Of corrections c in a bucket it is ``pull @ c - c @ curvature @ c / 2``. Each outcome counts
    ``2 ** (-age / half_life)``, age being how much older it is than the latest one of the bucket. So
    neither the order of outcomes matters, nor how workers share them out.

    Attributes
    ----------
    curvature
        Shape (history buckets, corrections, corrections).
    pull
        Shape (history buckets, corrections).
    latest
        Time of the latest outcome, in seconds since 1970, shape (history buckets,); 0 before the first.
    outcomes
        How many were added, faded ones included, shape (history buckets,).
    half_life
        Seconds after which an outcome counts half; infinite if nothing is forgotten.
    """

    curvature: Doubles
    pull: Doubles
    latest: Doubles
    outcomes: Doubles
    half_life: float = np.inf

    @classmethod
    def none(cls, buckets: int, corrections: int, half_life: float = np.inf) -> Self:
        """Start without an outcome.

        Raises
        ------
        RequestError
            If the half-life isn't above 0.
        """
        if not half_life > 0:
            raise RequestError(f"half_life must be above 0 seconds, not {half_life!r}")
        return cls(
            np.zeros((buckets, corrections, corrections)),
            np.zeros((buckets, corrections)),
            np.zeros(buckets),
            np.zeros(buckets),
            half_life,
        )

    def add(self, bucket: int, curvature: Doubles, pull: Doubles, time: float) -> None:
        """Add what one outcome says of a bucket; shapes (corrections, corrections) and (corrections,)."""
        late = time - self.latest[bucket]
        if late > 0:
            self._fade(bucket, late)
            self.latest[bucket] = time
        elif late < 0:
            weight = 0.5 ** (-late / self.half_life)
            curvature, pull = weight * curvature, weight * pull
        for sums, said in ((self.curvature[bucket], curvature), (self.pull[bucket], pull)):
            np.add(sums, said, out=sums)
        self.outcomes[bucket] += 1

    def plus(self, other: OutcomeSums) -> Self:
        """Add sums over other outcomes; what both hold would count twice.

        Raises
        ------
        RequestError
            If the other is of other corrections, or fades otherwise.
        """
        if self.pull.shape != other.pull.shape or self.half_life != other.half_life:
            raise RequestError("sums over outcomes add up only if signals, knots and half_life are the same")
        latest = np.maximum(self.latest, other.latest)
        mine, theirs = (0.5 ** ((latest - one.latest) / self.half_life) for one in (self, other))
        return type(self)(
            mine[:, None, None] * self.curvature + theirs[:, None, None] * other.curvature,
            mine[:, None] * self.pull + theirs[:, None] * other.pull,
            latest,
            self.outcomes + other.outcomes,
            self.half_life,
        )

    def minus(self, other: OutcomeSums) -> Self:
        """Take back sums over outcomes that these hold, too; raises as `plus`."""
        taken = replace(other, curvature=-other.curvature, pull=-other.pull, outcomes=-other.outcomes)
        return self.plus(taken)

    def equals(self, other: OutcomeSums) -> bool:
        """Tell whether these are the same sums."""
        pairs = zip(self.arrays().values(), other.arrays().values(), strict=True)
        return all(np.array_equal(one, another) for one, another in pairs)

    def _fade(self, bucket: int, seconds: float) -> None:
        weight = 0.5 ** (seconds / self.half_life)
        for sums in (self.curvature[bucket], self.pull[bucket]):
            np.multiply(sums, weight, out=sums)

    def arrays(self) -> Arrays:
        """Give everything, for storage."""
        return {name: array for name, array in vars(self).items() if name != "half_life"}

    @classmethod
    def from_arrays(cls, buckets: int, corrections: int, half_life: float, arrays: StoredArrays) -> Self:
        """Take back what `arrays` gave, which leaves out the half-life.

        Raises
        ------
        ModelError
            If it is something else than finite sums of these shapes, or one over outcomes still to come.
        """
        bounds = {"least": -LARGEST_SUM, "largest": LARGEST_SUM}
        above_zero = {"least": 0.0, "largest": LARGEST_SUM}
        return cls(
            arrays.doubles("curvature", buckets, corrections, corrections, **bounds),
            arrays.doubles("pull", buckets, corrections, **bounds),
            # If a clock was ahead, all that comes now would count for nothing until it is that late.
            arrays.doubles("latest", buckets, least=0, largest=latest_plausible_time()),
            arrays.doubles("outcomes", buckets, **above_zero),
            half_life,
        )
