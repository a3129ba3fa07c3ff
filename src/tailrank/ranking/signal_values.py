"""`SignalValues`: what the signals said of the items of one ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets

if TYPE_CHECKING:
    from tailrank.ranking.fused_scores import FusedScores


class SignalValues(NamedTuple):
    """What fusion knew of each item of a ranking: with its weights it gives the score before the policy.

    Attributes
    ----------
    names
        Of the signals.
    values
        Shape (items, signals); NaN for an item that the model doesn't know.
    count_levels
        `fusion.count_levels` of each item, 0 for one that the model doesn't know; shape (items,).
    history_bucket
        `fusion.history_buckets` of the history.
    """

    names: tuple[str, ...]
    values: Floats
    count_levels: Codes
    history_bucket: int

    @classmethod
    def from_fused(cls, fused: FusedScores, row: int) -> Self:
        """Take those of the known candidates of one history."""
        values = np.empty((len(fused.candidates), len(fused.signals)), np.float32)
        for at, scores in enumerate(fused.signals):
            values[:, at] = scores[row]
        return cls(fused.fusion.signals, values, fused.candidates, int(fused.histories[row]))

    def take(self, chosen: Offsets, known: Bools | None) -> Self:
        """Put the known candidates among all, and choose.

        Parameters
        ----------
        chosen
            Positions among all candidates, shape (items,).
        known
            Which of these the model knows, shape (candidates,); None if all.
        """
        values, levels = self.values, self.count_levels
        if known is not None:
            values = np.full((len(known), len(self.names)), np.nan, np.float32)
            levels = np.zeros(len(known), np.int32)
            values[known], levels[known] = self.values, self.count_levels
        return self._replace(values=values.take(chosen, axis=0), count_levels=levels.take(chosen))
