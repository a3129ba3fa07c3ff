"""What signals say of candidates, and what fusion makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats

if TYPE_CHECKING:  # it makes these
    from tailrank.ranking.fusion import Fusion


@dataclass(frozen=True)
class FusedScores:
    """Signals of every history and candidate, and their weighted sum.

    Attributes
    ----------
    fusion
        Whose weights.
    signals
        Each of shape (histories, candidates).
    candidates, histories
        Count levels, shape (candidates,), and history buckets, shape (histories,).
    total
        Log-odds, shape (histories, candidates).
    """

    fusion: Fusion
    signals: list[Floats]
    candidates: Codes
    histories: Codes
    total: Floats

    def parts(self, row: int) -> tuple[tuple[str, ...], Doubles]:
        """Take the scores of one history apart: names of the bias and the signals; (names, candidates)."""
        history = int(self.histories[row])
        parts = np.empty((1 + len(self.signals), len(self.candidates)))
        parts[0] = self.fusion.biases_of(self.candidates, history)
        for at, scores in enumerate(self.signals, 1):
            parts[at] = scores[row]
        parts[1:] *= self.fusion.weights_of(self.candidates, history)
        return ("base", *self.fusion.signals), parts
