"""The weights of signals that a server learned, with their intervals, as they changed."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import numpy as np

from tailrank.api_live import LearnedWeights, WeightsHistory
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.ranking.fusion import HISTORY_LABELS

KEPT: Final = 100
"""Latest changes."""


class WeightsPast:
    """What one worker followed since it started, or since another model serves."""

    def __init__(self) -> None:
        self._signals: tuple[str, ...] = ()
        self._past: deque[LearnedWeights] = deque(maxlen=KEPT)

    def begin(self) -> None:
        """Forget what was learned of another model."""
        self._past.clear()

    def add(self, online: OnlineFusion) -> None:
        """Note what is learned by now."""
        self._signals = online.offline.signals
        self._past.append(learned_weights(online, time.time()))

    def history(self) -> WeightsHistory:
        """Give it all."""
        return WeightsHistory(list(self._signals), list(HISTORY_LABELS), list(self._past))


def learned_weights(online: OnlineFusion, at: float) -> LearnedWeights:
    """Give the weights that an online fusion ranks by, and how sure it is of them.

    Parameters
    ----------
    online
        What was learned.
    at
        Since when, in seconds since 1970.

    Returns
    -------
    LearnedWeights
        The deviations take the scale of the offline score for known.
    """
    offline, found = online.offline, online.posterior()
    width = len(offline.signals)
    scales = online.corrections.scales(found.means)[:, None]
    means = offline.weights.mean(axis=0) * online.corrections.spreads + found.means[:, :width] / scales
    variances = np.diagonal(found.covariances, axis1=1, axis2=2)[:, :width]
    rounded = (np.round(each, 4).tolist() for each in (means, np.sqrt(variances) / scales))
    return LearnedWeights(at, int(online.sums.outcomes.sum()), *rounded)
