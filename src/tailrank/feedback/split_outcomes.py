"""Rankings of users who were split over two variants, and whether their numbers may be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Seconds
from tailrank.feedback.outcomes import MOST_MISSING, Effect, Finding, enough
from tailrank.metrics.sequential import UserMean, always_valid, sample_ratio

GATE_ALPHA: Final = 0.001
"""How often a sound experiment may fail a gate, however often one looks."""

TIGHTEST: Final = 10_000
"""Rankings of two variants after which their intervals are narrowest; a factor of ten hardly matters."""


@dataclass(frozen=True)
class SplitOutcomes:
    """Rankings, a variant each.

    Attributes
    ----------
    users
        User code of each ranking, shape (rankings,).
    treated
        Whether it is one of the treatment, shape (rankings,).
    times
        As `Outcomes` says.
    metrics
        By name, a value for each ranking, NaN if it is missing; shape (rankings,).
    names
        Of the control and of the treatment.
    weights
        Planned shares of users of the two, up to a factor.
    """

    users: Codes
    treated: Bools
    times: Seconds
    metrics: Mapping[str, Doubles]
    names: tuple[str, str] = ("control", "treatment")
    weights: tuple[float, float] = (1.0, 1.0)

    def before(self, time: float) -> Self:
        """Leave out the rankings from a time on."""
        rows = self.times < time
        metrics = {name: values[rows] for name, values in self.metrics.items()}
        return replace(
            self, users=self.users[rows], treated=self.treated[rows], times=self.times[rows], metrics=metrics
        )

    def gates(self, metrics: Sequence[str]) -> tuple[Finding, ...]:
        """Check that users have one variant, are split as planned and are enough, and what is missing."""
        order = np.lexsort((self.treated, self.times))
        users, first = np.unique(self.users[order], return_index=True)
        came = order[np.sort(first)]
        arms = self.treated[came].astype(np.int32)
        both = np.intersect1d(self.users[self.treated], self.users[~self.treated])
        return (
            _one_variant(len(both), len(users)),
            self._sample_ratio(arms, self.times[came]),
            enough(dict(zip(self.names, np.bincount(arms, minlength=2).tolist(), strict=True))),
            *(self._missing(metric) for metric in dict.fromkeys(metrics)),
        )

    def effect(self, metric: str, alpha: float) -> Effect:
        """Compare the variants by a metric; rankings that lack it are left out."""
        values = self.metrics[metric]
        return self._compared(metric, values, ~np.isnan(values), alpha)

    def _compared(self, metric: str, values: Doubles, rows: Bools, alpha: float) -> Effect:
        control, treatment = (
            UserMean.of(values[chosen], self.users[chosen])
            for chosen in (rows & ~self.treated, rows & self.treated)
        )
        difference = always_valid(treatment - control, alpha=alpha, tightest=TIGHTEST)
        return Effect(metric, control.value, treatment.value, difference)

    def _sample_ratio(self, arms: Codes, times: Seconds) -> Finding:
        p = sample_ratio(arms, np.array(self.weights), times)
        (control, treatment), (a, b) = np.bincount(arms, minlength=2), self.weights
        said = (
            f"{control:,} users have {self.names[0]} and {treatment:,} {self.names[1]}, of planned "
            f"{a:g} : {b:g} (p = {p:.2g})"
        )
        if p >= GATE_ALPHA:
            return Finding("sample ratio", "passed", f"{said}.")
        remedy = "Find where users get lost or are counted twice: no other number can be trusted"
        return Finding("sample ratio", "failed", f"{said}. {remedy}.")

    def _missing(self, metric: str) -> Finding:
        lacking = np.isnan(self.metrics[metric])
        shares = self._compared(metric, lacking.astype(np.float64), np.ones(len(lacking), bool), GATE_ALPHA)
        said = (
            f"{metric} is missing in {shares.control:.1%} of the rankings of {self.names[0]} and in "
            f"{shares.treatment:.1%} of those of {self.names[1]}"
        )
        if max(shares.control, shares.treatment) > MOST_MISSING:
            return Finding(f"missing {metric}", "failed", f"{said}: {MOST_MISSING:.0%} is the most. Log it.")
        if not shares.difference.low <= 0 <= shares.difference.high:
            remedy = "More often in one than in the other: log it, since what is missing may be what differs"
            return Finding(f"missing {metric}", "failed", f"{said}. {remedy}.")
        return Finding(f"missing {metric}", "passed", f"{said}.")


def _one_variant(both: int, users: int) -> Finding:
    if not both:
        return Finding("one variant a user", "passed", f"Each of {users:,} users has one variant.")
    return Finding(
        "one variant a user",
        "failed",
        f"{both:,} of {users:,} users have both variants. Choose the variant by the user's id alone.",
    )
