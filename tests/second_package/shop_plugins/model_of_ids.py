"""A model to measure against: items in the order of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress


@dataclass(frozen=True)
class Alphabetical:
    """Ranks by nothing but the position in the catalogue."""

    @classmethod
    def fit(
        cls, split: Split, spaces: Mapping[str, ItemVectors], settings: Settings, progress: Progress
    ) -> Self:
        """Learn nothing."""
        return cls()

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score early items highest; shape (histories, candidates)."""
        scores = -candidates.codes.astype(np.float32)
        return scores[None].repeat(len(histories), axis=0)
