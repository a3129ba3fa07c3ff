"""Rankings in each of which two others were interleaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Seconds
from tailrank.feedback.outcomes import MOST_MISSING, Effect, Finding, enough
from tailrank.metrics.sequential import UserMean, always_valid

TIGHTEST: Final = 2_000
"""Rankings that one side has won after which the interval is narrowest; a factor of ten hardly matters."""


EARLY: Final = 0.1
"""How often an interval may be wrong before a variance is known, in `alpha`s."""


@dataclass(frozen=True)
class InterleavedOutcomes:
    """Rankings, and who has won them.

    Attributes
    ----------
    users
        User code of each ranking, shape (rankings,).
    times
        As `Outcomes` says.
    credits
        Credits of the treatment minus those of the control, NaN if missing; shape (rankings,).
    names
        As `Outcomes` says.
    """

    users: Codes
    times: Seconds
    credits: Doubles
    names: tuple[str, str] = ("a", "b")

    def before(self, time: float) -> Self:
        """Leave out the rankings from a time on."""
        rows = self.times < time
        return replace(self, users=self.users[rows], times=self.times[rows], credits=self.credits[rows])

    def gates(self, metrics: Sequence[str]) -> tuple[Finding, ...]:
        """Check that there are enough users, and that few credits are missing."""
        missing = float(np.isnan(self.credits).sum()) / max(len(self.credits), 1)
        said = f"Credits are missing in {missing:.1%} of the rankings"
        found = Finding("missing credits", "passed", f"{said}.")
        if missing > MOST_MISSING:
            found = Finding("missing credits", "failed", f"{said}: {MOST_MISSING:.0%} is the most. Log them.")
        return enough({"all": len(np.unique(self.users))}), found

    def effect(self, metric: str, alpha: float) -> Effect:
        """Compare how many rankings each side has won; those that neither has won are left out.

        While one side has won so nearly all that there is no variance to go by, the interval goes by the
        bounds of a win. It may be wrong `EARLY` times as often as the other, on top of that.
        """
        won = np.sign(self.credits)
        rows = np.abs(won) == 1
        mean = UserMean.of(won[rows], self.users[rows])
        difference = always_valid(mean, alpha=alpha, tightest=TIGHTEST)
        if not np.isfinite(difference.high):
            bounded = UserMean.bounded(won[rows], self.users[rows])
            difference = always_valid(bounded, alpha=alpha * EARLY, tightest=TIGHTEST)
        return Effect(f"rankings won by {metric}", (1 - mean.value) / 2, (1 + mean.value) / 2, difference)
