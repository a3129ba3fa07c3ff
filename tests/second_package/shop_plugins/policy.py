"""A policy: one item is always first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tailrank.policy.base import Scored


@dataclass(frozen=True)
class Pinned:
    """Raises an item above all others."""

    item: str

    name: ClassVar[str] = "pinned"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        """Add what the item lacks."""
        ids = scored.listing_for(self.name).ids
        if self.item not in ids:
            return scored
        raised = np.zeros(len(ids), np.float32)
        at = ids.index(self.item)
        raised[at] = scored.scores.max() - scored.scores[at] + 1
        return scored.plus(self.name, raised)
