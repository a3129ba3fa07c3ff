"""One series watched for one kind of surge: its expectation, its evidence so far, and when it is too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tailrank.arrays import Doubles
from tailrank.tasks.monitor.cusum import (
    FEWEST,
    rounded,
    share_scores,
    share_threshold,
    volume_scores,
    volume_threshold,
)
from tailrank.tasks.monitor.expectation import DAYS, HALF_LIFE, HOURS, Expectation, fit_expectation
from tailrank.tasks.monitor.history import History
from tailrank.tasks.monitor.settings import DAY, HOUR, WEEK, Kind, MonitorSettings

LONGEST: Final = 3 * DAY
"""A surge that lasts longer is what is usual from now on."""

PRIOR_TEXTS: Final = 20.0
"""Texts that the stream's share of negative ones counts as, for the share of a series; one of which fewer are
known isn't judged."""

HIGHEST: Final = 0.9
"""A larger share can't surge: complaints are nearly all negative."""

LEAST_TEXTS: Final = 5
"""Fewer are no surge, however unlikely they are."""


@dataclass(frozen=True)
class Surge:
    """What a detector raised.

    Attributes
    ----------
    kind
        What surges.
    since, until
        The start of its first period and the end of the latest, in seconds since 1970.
    observed, expected
        Texts (negative ones, or their share) from `since` to `until`.
    n
        All texts of the series in that time.
    evidence, threshold
        The sum of log-likelihood ratios, and what it exceeds.
    """

    kind: Kind
    since: int
    until: int
    observed: float
    expected: float
    n: int
    evidence: float
    threshold: float

    @property
    def severity(self) -> float:
        """How many times the expectation was observed."""
        return self.observed / max(self.expected, FEWEST)


@dataclass
class Detector:
    """Watches one kind of surge of one series.

    Attributes
    ----------
    kind, settings
        What is watched, and how.
    expectation
        Of counts; of a share, that of the number of all texts.
    excess
        Of a share: the correlation of two texts of a period.
    evidence
        Sum of log-likelihood ratios.
    since, raised
        Start of the first period of what is gathering, and of the one in which it was raised; None without.
    """

    kind: Kind
    settings: MonitorSettings
    expectation: Expectation = field(default_factory=Expectation.flat)
    excess: float = 0.0
    threshold: float = np.inf
    evidence: float = 0.0
    since: int | None = None
    raised: int | None = None

    @property
    def is_share(self) -> bool:
        """Whether it watches a share."""
        return self.kind == "negative share"

    def refit(
        self, history: History, prior: Detector | None, usual_share: float, alarms_per_period: float
    ) -> None:
        """Learn the expectation anew, and the threshold that goes with it.

        Parameters
        ----------
        history
            Of the series.
        prior
            That of the whole stream; None if it is this one.
        usual_share
            Of negative texts in the whole stream.
        alarms_per_period
            False alarms that this detector may raise.
        """
        hourly = self.settings.period == "hour"
        counts = history.n if self.is_share else history.of(self.kind)
        towards = None if prior is None else prior.expectation
        self.expectation = fit_expectation(counts, history.starts, history.used, hourly, towards)
        found, surge = self.expectation, self.settings.surge
        mean, dispersion = rounded(max(found.level, FEWEST)), rounded(found.dispersion)
        if self.is_share:
            self.excess = _excess(history, self._share(history, usual_share))
            share = round(20 * self._share(history, usual_share)) / 20
            spread = mean, dispersion, float(np.clip(share, 0.05, HIGHEST)), rounded(max(self.excess, 1e-3))
            self.threshold = share_threshold(*spread, surge, alarms_per_period)
        else:
            scatter = mean, dispersion, round(found.correlation, 1)
            known = 1 / rounded(1 / max(int(history.used.sum()), 1)), HOURS if hourly else DAYS
            memory = 1.5 * HALF_LIFE / self.settings.seconds
            self.threshold = volume_threshold(*scatter, surge, alarms_per_period, *known, memory)

    def judge(self, history: History, usual_share: float) -> Surge | None:
        """Judge the latest period of a history by those before it; returns a surge if one is raised now.

        Parameters
        ----------
        history, usual_share
            As for `refit`.
        """
        before = History(history.starts[:-1], history.n[:-1], history.negative[:-1], history.used[:-1])
        start = int(history.starts[-1])
        mean, score = self._mean_and_score(before, history, usual_share)
        self.evidence = max(self.evidence + score, 0.0)
        if self.evidence == 0:
            self.since = self.raised = None
            return None
        self.since = start if self.since is None else self.since
        if self.raised is not None:
            self._go_on(history, start)
            return None
        first = int(np.searchsorted(history.starts, self.since))
        if self.evidence <= self.threshold or history.of(self.kind)[first:].sum() < LEAST_TEXTS:
            return None
        self.raised = start
        found = self._surge(history, mean)
        history.used[first:] = False
        return found

    def as_dict(self) -> dict[str, Any]:
        """Give the state, as JSON has it."""
        found = self.expectation
        return {
            "level": found.level,
            "hours": found.hours.tolist(),
            "days": found.days.tolist(),
            "dispersion": found.dispersion,
            "correlation": found.correlation,
            "excess": self.excess,
            "threshold": None if np.isinf(self.threshold) else self.threshold,
            "evidence": self.evidence,
            "since": self.since,
            "raised": self.raised,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that `as_dict` gave."""
        scatter = state["dispersion"], state["correlation"]
        self.expectation = Expectation(
            state["level"], np.array(state["hours"]), np.array(state["days"]), *scatter
        )
        self.excess, self.evidence = state["excess"], state["evidence"]
        self.threshold = np.inf if state["threshold"] is None else state["threshold"]
        self.since, self.raised = state["since"], state["raised"]

    def _mean_and_score(self, before: History, history: History, usual_share: float) -> tuple[Doubles, float]:
        """Give expected counts (or shares) from `since` on, and what the latest period adds."""
        surge = self.settings.surge
        first = int(np.searchsorted(history.starts, history.starts[-1] if self.since is None else self.since))
        if self.is_share:
            share = max(self._share(before, usual_share), 0.01)
            means = np.full(len(history.starts) - first, share)
            if share > HIGHEST or before.n[before.used].sum() < PRIOR_TEXTS:
                return means, -np.inf
            score = share_scores(history.negative[-1:], history.n[-1:], share, self.excess, surge)
            return means, float(score[0])
        found = self.expectation.with_level(before.of(self.kind), before.starts, before.used)
        self.expectation = found
        mean = np.maximum(found.at(history.starts[first:]), FEWEST)
        score = volume_scores(history.of(self.kind)[-1:], mean[-1:], found.dispersion, surge)
        return mean, float(score[0])

    def _share(self, history: History, usual: float) -> float:
        """Give the share of negative texts that a series has, beside that of the stream."""
        if not len(history.starts):
            return usual
        weights = history.used * 0.5 ** ((history.starts[-1] - history.starts) / HALF_LIFE)
        negative, n = float(weights @ history.negative), float(weights @ history.n)
        return (negative + PRIOR_TEXTS * usual) / (n + PRIOR_TEXTS)

    def _surge(self, history: History, mean: Doubles) -> Surge:
        start, since = int(history.starts[-1]), self.since or 0
        part = slice(int(np.searchsorted(history.starts, since)), None)
        n, negative = int(history.n[part].sum()), int(history.negative[part].sum())
        observed = negative / max(n, 1) if self.is_share else float(history.of(self.kind)[part].sum())
        expected = float(mean[-1]) if self.is_share else float(mean.sum())
        until = start + self.settings.seconds
        return Surge(self.kind, since, until, observed, expected, n, self.evidence, self.threshold)

    def _go_on(self, history: History, start: int) -> None:
        """Follow a raised surge: it ends if the evidence is gone, or lasts so long that it is usual now."""
        self.evidence = min(self.evidence, self.threshold)
        if start - (self.raised or start) < LONGEST:
            history.used[-1] = False
            return
        history.used[:] = history.starts >= (self.since or 0)
        self.evidence, self.since, self.raised = 0.0, None, None


def alarms_per_period(settings: MonitorSettings, n_detectors: int) -> float:
    """Share the false alarms among so many detectors, the number rounded up to a power of two."""
    shares = float(2 ** np.ceil(np.log2(max(n_detectors, 1))))
    return settings.false_alarms_per_week * settings.seconds / WEEK / shares


def is_refitted(start: int, settings: MonitorSettings) -> bool:
    """Whether expectations are learned anew before a period: once a day."""
    return settings.seconds == DAY or start % DAY < HOUR


def _excess(history: History, share: float) -> float:
    """Estimate the correlation of two texts of a period by moments, beside PRIOR_TEXTS periods of none."""
    n, negative = history.n[history.used].astype(float), history.negative[history.used]
    variance, pairs = share * (1 - share), float((n * (n - 1)).sum())
    over = float((((negative - n * share) ** 2) - n * variance).sum())
    prior = PRIOR_TEXTS * max(float(n.mean()) if len(n) else 1.0, 1.0)
    return float(np.clip(over / (max(variance, 1e-6) * (pairs + prior)), 0.0, 0.5))
