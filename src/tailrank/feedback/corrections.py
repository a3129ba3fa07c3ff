"""What feedback may change of a fusion: one correction for each signal and each knot, by history bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.ranking.fusion import Fusion, knot_shares

FARTHEST: Final = 10.0
"""Standard deviations from the list's mean that a signal counts as, at most: an outlier is no landslide."""

SMALLEST_SCALE: Final = 0.1
"""Least scale: clicks that follow no scores say little of weights."""


@dataclass(frozen=True)
class Corrections:
    """The linear map from corrections of a fusion to the log-odds of a click on each item of a list.

    A history bucket has one correction for each signal, alike at all knots, in log-odds by a standard
    deviation of the signal; one for each knot's bias; and, last, what the scale of the offline score is above
    1. Clicks may follow scores more or less closely than the events of training did, which changes no order.

    Attributes
    ----------
    offline
        The weights as training left them.
    """

    offline: Fusion

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the corrections: (history buckets, signals + knots + 1)."""
        knots, buckets, signals = self.offline.weights.shape
        return buckets, signals + knots + 1

    def features(self, signals: Floats, levels: Codes) -> Doubles:
        """Say how much each correction but the scale counts for each item of a list.

        Parameters
        ----------
        signals
            Shape (items, signals).
        levels
            Count levels, shape (items,).

        Returns
        -------
        Doubles
            Shape (items, corrections), 0 for the scale. What all items of the list share is left out, since
            no order depends on it.
        """
        found = self._shares.take(levels, axis=0)
        found[:, : signals.shape[1]] = signals / self.spreads
        return _apart(found)

    def scored(self, signals: Floats, levels: Codes, bucket: int) -> tuple[Doubles, Doubles]:
        """Give the features, with that of the scale, and the scores of the offline weights, shape (items,).

        Parameters
        ----------
        signals, levels
            As in `features`.
        bucket
            That of the history.
        """
        found, width = self._by_level[bucket].take(levels, axis=0), signals.shape[1]
        standardised = signals / self.spreads
        scores = found[:, -1] + (standardised[:, None] @ found[:, :width, None])[:, 0, 0]
        found[:, :width], found[:, -1] = standardised, scores
        return _apart(found), scores

    def applied(self, corrections: Doubles) -> Fusion:
        """Correct the weights, in the scale of the offline score; corrections as in `shape`."""
        changes, width = corrections[:, :-1] / self.scales(corrections)[:, None], len(self.offline.signals)
        weights = self.offline.weights + changes[:, :width] / self.spreads
        biases = self.offline.biases + changes[:, width:].T
        return replace(self.offline, weights=weights.astype(np.float32), biases=biases.astype(np.float32))

    def scales(self, corrections: Doubles) -> Doubles:
        """Give how closely clicks follow the offline score, shape (history buckets,)."""
        return np.maximum(1 + corrections[:, -1], SMALLEST_SCALE)

    @cached_property
    def spreads(self) -> Doubles:
        """Deviation of each signal, shape (signals,); 1 if it has none, or none was kept."""
        spreads = self.offline.spreads
        if spreads is None:
            return np.ones(len(self.offline.signals))
        return np.where(spreads > 0, spreads, 1).astype(np.float64)

    @cached_property
    def _shares(self) -> Doubles:
        """Shares of knots, among zeros for the other corrections; shape (levels, corrections)."""
        return np.pad(knot_shares(self.offline.knots), ((0, 0), (len(self.offline.signals), 1)))

    @cached_property
    def _by_level(self) -> Doubles:
        """What a list looks up: weights of signals by deviations, shares of knots, and the bias.

        Shape (history buckets, levels, corrections).
        """
        shares, offline = knot_shares(self.offline.knots), self.offline
        levels = np.arange(len(shares), dtype=np.int32)
        return np.stack([
            np.column_stack([
                offline.weights_of(levels, bucket).T * self.spreads,
                shares,
                offline.biases_of(levels, bucket),
            ])
            for bucket in range(self.shape[0])
        ])  # fmt: skip


def _apart(features: Doubles) -> Doubles:
    """Take from the features of a list what all its items share, in place."""
    features -= np.add.reduce(features) / max(len(features), 1)
    # Quicker than `np.clip`, for the few numbers of a list.
    return np.minimum(np.maximum(features, -FARTHEST, out=features), FARTHEST, out=features)


def fused_scores(fusion: Fusion, signals: Floats, levels: Codes, bucket: int) -> Doubles:
    """Score one list, shape (items,).

    Parameters
    ----------
    fusion
        The weights.
    signals
        Shape (items, signals).
    levels, bucket
        Count levels, shape (items,), and the bucket of the history.
    """
    parts = np.multiply(fusion.weights_of(levels, bucket), signals.T, dtype=np.float64)
    scores: Doubles = np.add.reduce(parts) + fusion.biases_of(levels, bucket)
    return scores
