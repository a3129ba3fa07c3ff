"""What makes users click on what they examine: known, so that regret can be computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from tailrank.arrays import Doubles
from tailrank.evaluation.simulation.visits import Visits

RATE: Final = 0.02
"""Chance that a candidate is clicked if it is examined, on average over all candidates."""

CHOSEN: Final = 2.0
"""Log-odds that the item has on top which the user really chose."""

NOISE: Final = 0.5
"""Standard deviation of what no signal knows, in log-odds."""

SHIFT: Final = 0.5
"""Standard deviation of what a shift adds to each weight, in log-odds a standard deviation of the signal."""


@dataclass(frozen=True)
class Attraction:
    """The chance that an examined candidate is clicked, before taste shifts and after.

    Its log-odds are those of the model, more for the item that the user really chose, a draw for each
    visit and candidate, and a constant under which candidates attract 2% on average. A shift adds to the
    weight of every signal. So the model is right until then, and wrong in a known way from then on.

    Attributes
    ----------
    before, after
        Shape (visits, candidates).
    change
        What the shift adds to the weight of each standardised signal, shape (signals,).
    """

    before: Doubles
    after: Doubles
    change: Doubles

    @classmethod
    def draw(cls, visits: Visits, rng: np.random.Generator) -> Self:
        """Draw what no signal knows, and how taste shifts."""
        log_odds = visits.scores + rng.normal(0, NOISE, visits.scores.shape)
        found = np.flatnonzero(visits.chosen >= 0)
        log_odds[found, visits.chosen[found]] += CHOSEN
        change: Doubles = rng.normal(0, SHIFT, visits.signals.shape[2:])
        return cls(_chances(log_odds), _chances(log_odds + visits.standardised @ change), change)


def _chances(log_odds: Doubles) -> Doubles:
    """Move log-odds by a constant so that the chances are `RATE` on average."""
    span = float(np.abs(log_odds).max()) + 10
    level = brentq(lambda level: float(expit(log_odds + level).mean()) - RATE, -span, span)
    chances: Doubles = expit(log_odds + level)
    return chances
