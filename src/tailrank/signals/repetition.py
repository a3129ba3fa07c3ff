"""What the person took before and may take again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tailrank.arrays import Floats, Offsets
from tailrank.data.histories import Histories
from tailrank.signals.protocol import Arrays, Candidates


@dataclass(frozen=True)
class Repetition:
    """log(1 + how often a candidate occurs in the history).

    Weighs against an item already owned as well as for one bought every week: fusion decides.
    """

    name: ClassVar[str] = "repetition"

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Count each candidate in each history; shape (histories, candidates)."""
        size = (len(histories), len(candidates))
        return np.log1p(_occurrences(histories, histories.owners, size, candidates))

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Share the score out among the occurrences; shape (events, candidates)."""
        n = len(histories.items)
        hits = _occurrences(histories, np.arange(n), (n, len(candidates)), candidates)
        total = hits.sum(axis=0)
        shares: Floats = hits * (np.log1p(total) / np.maximum(total, 1))
        return shares

    def arrays(self) -> Arrays:
        """Nothing is learned."""
        return {}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Nothing is learned."""
        return cls()


def _occurrences(
    histories: Histories, owners: Offsets, size: tuple[int, int], candidates: Candidates
) -> Floats:
    slots = candidates.slots[histories.items]
    hit = slots >= 0
    counts = np.bincount(owners[hit] * size[1] + slots[hit], minlength=size[0] * size[1])
    return counts.reshape(size).astype(np.float32)
