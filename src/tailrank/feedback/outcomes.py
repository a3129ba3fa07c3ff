"""What any experiment has to say for itself, however it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, Self

from tailrank.arrays import Seconds
from tailrank.metrics.significance import Difference

LEAST_USERS: Final = 100
"""Users that each variant must have."""

MOST_MISSING: Final = 0.05
"""Share of the rankings that may lack a metric."""

Status = Literal["passed", "failed", "unclear"]


@dataclass(frozen=True)
class Finding:
    """What came of one check.

    Attributes
    ----------
    name
        What was checked.
    status
        Whether it passed, failed, or can't be told yet.
    reason
        The same as a sentence.
    """

    name: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Effect:
    """A metric in both variants.

    Attributes
    ----------
    metric
        Its name.
    control, treatment
        Its mean in each.
    difference
        Treatment minus control, with an always-valid interval.
    """

    metric: str
    control: float
    treatment: float
    difference: Difference


class Outcomes(Protocol):
    """What an experiment has seen up to now."""

    @property
    def names(self) -> tuple[str, str]:
        """Of the control and of the treatment."""

    @property
    def times(self) -> Seconds:
        """When each ranking was shown, in seconds since 1970; shape (rankings,)."""

    def before(self, time: float) -> Self:
        """Leave out the rankings from a time on."""

    def gates(self, metrics: Sequence[str]) -> tuple[Finding, ...]:
        """Check whether what these metrics say may be trusted."""

    def effect(self, metric: str, alpha: float) -> Effect:
        """Compare by a metric; the interval may miss the true difference with probability `alpha`."""


def enough(users: Mapping[str, int]) -> Finding:
    """Check that there are enough users, counted by name."""
    short = [f"{n:,} of {name}" for name, n in users.items() if n < LEAST_USERS]
    if not short:
        return Finding(
            "enough users",
            "passed",
            f"There are {LEAST_USERS} users or more{' of each variant' if len(users) > 1 else ''}.",
        )
    return Finding("enough users", "failed", f"Users: {' and '.join(short)}; {LEAST_USERS} are needed. Wait.")
