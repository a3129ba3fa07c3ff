"""What to do after an experiment: may its numbers be trusted, does anything get worse, is it better."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from tailrank.errors import RequestError
from tailrank.feedback.outcomes import Effect, Finding, Outcomes, Status
from tailrank.metrics.significance import Difference

ALPHA: Final = 0.05
"""How often an experiment without any effect may be decided, however often one looks."""

DAY: Final = 86_400.0
"""Seconds."""

Verdict = Literal["ship", "hold", "roll back"]


@dataclass(frozen=True)
class Guardrail:
    """A bound on how a metric may change.

    Attributes
    ----------
    metric
        Its name.
    margin
        Bound of the difference, treatment minus control, in units of the metric.
    at_least
        Whether the difference must be at least that; else at most.
    """

    metric: str
    margin: float
    at_least: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a guardrail.

        Raises
        ------
        RequestError
            If it has another form.

        Examples
        --------
        >>> Guardrail.parse("tail_share>=-0.01")
        Guardrail(metric='tail_share', margin=-0.01, at_least=True)
        """
        found = re.fullmatch(r"\s*(\S.*?)\s*([<>]=)\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*", text)
        try:
            if found is not None:
                return cls(found[1], float(found[3]), found[2] == ">=")
        except ValueError:
            pass
        raise RequestError(
            f"guardrail {text!r}: write METRIC>=DIFFERENCE or METRIC<=DIFFERENCE, such as 'tail_share>=-0.01'"
        )

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.at_least else '<='} {self.margin:+g}"

    def check(self, effect: Effect) -> Finding:
        """Say whether all of the interval keeps to the bound, none of it, or some."""
        difference = effect.difference
        ends = np.array([difference.low, difference.high])
        kept = ends >= self.margin if self.at_least else ends <= self.margin
        status: Status = "passed" if kept.all() else "unclear" if kept.any() else "failed"
        meaning = {"passed": "kept", "failed": "broken", "unclear": "uncertain"}[status]
        return Finding(str(self), status, f"{self} is {meaning}: {in_words(difference)}.")


@dataclass(frozen=True)
class Decision:
    """What to do, and why.

    Attributes
    ----------
    verdict
        To ship the treatment, to hold on, or to roll back to the control.
    reasons
        Sentences; the first is the weightiest.
    gates, guardrails
        What came of each.
    effect
        That on the metric.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    gates: tuple[Finding, ...]
    guardrails: tuple[Finding, ...]
    effect: Effect


@dataclass(frozen=True)
class Look:
    """What one would have seen at the end of a day.

    Attributes
    ----------
    until
        The end of the day (UTC), in seconds since 1970.
    rankings
        Those up to then.
    difference
        That on the metric.
    """

    until: float
    rankings: int
    difference: Difference


def decide(outcomes: Outcomes, metric: str, guardrails: Sequence[Guardrail] = ()) -> Decision:
    """Decide an experiment by what it has seen up to now; more of the metric is better.

    In this order: if a gate isn't passed, the numbers can't be trusted, so hold. If a guardrail is broken or
    the metric is worse, roll back. If the metric is better and all guardrails are kept, ship. Else hold.

    Metric and guardrails share `ALPHA` evenly, and their intervals hold at all times. So of experiments in
    which nothing changes, and whose guardrails allow that, one in twenty is ever decided, at most.
    """
    alpha = ALPHA / (1 + len(guardrails))
    gates = outcomes.gates([metric, *(each.metric for each in guardrails)])
    checked = tuple(each.check(outcomes.effect(each.metric, alpha)) for each in guardrails)
    effect = outcomes.effect(metric, alpha)
    verdict, reasons = _verdict(gates, checked, effect)
    return Decision(verdict, tuple(reasons), gates, checked, effect)


def looks(outcomes: Outcomes, metric: str, guardrails: Sequence[Guardrail] = ()) -> Iterator[Look]:
    """Give the metric's interval at the end of each day, as `decide` would have seen it then."""
    days = np.unique(np.floor(outcomes.times / DAY))
    for end in (days + 1) * DAY:
        seen = outcomes.before(end)
        yield Look(float(end), len(seen.times), seen.effect(metric, ALPHA / (1 + len(guardrails))).difference)


def in_words(difference: Difference) -> str:
    """Say a difference with its interval."""
    if np.isnan(difference.mean):
        return "nothing that was seen up to now"
    if np.isinf(difference.high):
        return f"{difference.mean:+.3g} (too few users differ to bound it)"
    return f"{difference.mean:+.3g} ({difference.low:+.3g} to {difference.high:+.3g})"


def _verdict(
    gates: Sequence[Finding], guardrails: Sequence[Finding], effect: Effect
) -> tuple[Verdict, list[str]]:
    if stopped := [gate.reason for gate in gates if gate.status != "passed"]:
        return "hold", stopped
    changed = f"{effect.metric} differs by {in_words(effect.difference)}"
    broken = [each.reason for each in guardrails if each.status == "failed"]
    if effect.difference.high < 0:
        broken.append(f"{changed}: worse.")
    if broken:
        return "roll back", broken
    unclear = [each.reason for each in guardrails if each.status == "unclear"]
    if effect.difference.low <= 0:
        return "hold", [f"{changed}: that may be chance.", *unclear]
    better = f"{changed}: better."
    if unclear:
        return "hold", [*unclear, better]
    return "ship", [better, *(each.reason for each in guardrails)]
