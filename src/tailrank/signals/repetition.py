"""What the person took before and may take again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.fading import FadingSum
from tailrank.signals.protocol import Arrays, Candidates


@dataclass(frozen=True, kw_only=True)
class Repetition(FadingSum):
    """How often a candidate occurs in the history.

    Weighs against an item already owned as well as for one bought every week: fusion decides.
    """

    name: ClassVar[str] = "repetition"

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
