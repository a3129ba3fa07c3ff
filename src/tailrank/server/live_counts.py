"""What the counts for Prometheus say of the last minute."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Metric

from tailrank.api_live import LiveEvents, LiveExposure, LiveRankings

WINDOW: Final = 60.0
"""Seconds that quantiles are of, at most."""

RANKING: Final = frozenset({"rank", "metarank"})
"""Endpoints that answer requests to rank."""

ERRORS: Final = 400


@dataclass
class Counts:
    """Counts of all workers at one moment.

    Attributes
    ----------
    time
        On the clock of `time.monotonic`.
    latency, lag
        Cumulative counts by the upper bounds of buckets, in seconds.
    """

    time: float
    rankings: int = 0
    refused: int = 0
    shed: int = 0
    events: int = 0
    degraded: Counter[str] = field(default_factory=Counter)
    exposure: Counter[str] = field(default_factory=Counter)
    latency: Counter[float] = field(default_factory=Counter)
    lag: Counter[float] = field(default_factory=Counter)

    @classmethod
    def read(cls, metrics: Iterable[Metric], time: float) -> Counts:
        """Read what a registry collects."""
        counts = cls(time)
        for metric in metrics:
            for sample in metric.samples:
                counts._take(sample.name.removeprefix("tailrank_"), sample.labels, int(sample.value))
        return counts

    def _take(self, name: str, labels: Mapping[str, str], n: int) -> None:
        if name.startswith("request_seconds"):
            if labels["endpoint"] in RANKING:
                self._take_rankings(name, labels, n)
        elif name == "event_lag_seconds_bucket":
            self.lag[float(labels["le"])] += n
        elif name == "degraded_total":
            self.degraded[labels["reason"]] += n
        elif name == "exposure_total":
            self.exposure[labels["popularity"]] += n
        elif name == "shed_total":
            self.shed += n
        elif name == "events_total":
            self.events += n

    def _take_rankings(self, name: str, labels: Mapping[str, str], n: int) -> None:
        if name == "request_seconds_bucket":
            self.latency[float(labels["le"])] += n
        elif name == "request_seconds_count":
            self.rankings += n
            self.refused += n if int(labels["status"]) >= ERRORS else 0


class Window:
    """The counts of the last minute, one after the other."""

    def __init__(self) -> None:
        self._counts: deque[Counts] = deque()

    def add(self, counts: Counts) -> None:
        """Take the latest counts."""
        if self._counts and counts.time > self._counts[-1].time + WINDOW:
            self._counts.clear()  # nobody looked for a while
        self._counts.append(counts)
        while counts.time > self._counts[0].time + WINDOW:
            self._counts.popleft()

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return self._counts[-1].time - self._counts[0].time

    @property
    def latest(self) -> Counts:
        """The latest counts."""
        return self._counts[-1]

    def rankings(self) -> LiveRankings:
        """Say how often and how fast lists were ranked."""
        now, before = self._counts[-1], self._counts[0]
        p50, p99 = (_milliseconds(quantile(now.latency, before.latency, q)) for q in (0.5, 0.99))
        return LiveRankings(now.rankings, now.refused, self._rate("rankings"), p50, p99)

    def events(self) -> LiveEvents:
        """Say how many events came, and how late."""
        now, before = self._counts[-1], self._counts[0]
        p50, p99 = (quantile(now.lag, before.lag, q) for q in (0.5, 0.99))
        return LiveEvents(now.events, self._rate("events"), p50, p99)

    def exposure(self) -> LiveExposure:
        """Say how much of what was shown is of the tail."""
        now, before = self._counts[-1].exposure, self._counts[0].exposure
        head, tail = (now[part] - before[part] for part in ("head", "tail"))
        share = tail / (head + tail) if head + tail else None
        return LiveExposure(now["head"], now["tail"], share)

    def _rate(self, name: str) -> float | None:
        recent: Sequence[Counts] = [self._counts[at] for at in range(-min(2, len(self._counts)), 0)]
        took = recent[-1].time - recent[0].time
        return (getattr(recent[-1], name) - getattr(recent[0], name)) / took if took else None


def quantile(now: Mapping[float, int], before: Mapping[float, int], q: float) -> float | None:
    """Estimate a quantile of what came between two readings of a histogram, as Prometheus does.

    Within a bucket, values count as spread evenly; beyond the last bound, as that bound.

    Parameters
    ----------
    now, before
        Cumulative counts by upper bounds, infinity included.
    q
        Which one, from 0 to 1.

    Returns
    -------
    float | None
        In the unit of the bounds; None if nothing came.

    Examples
    --------
    >>> quantile({1.0: 2, 2.0: 6, math.inf: 6}, {}, 0.5)
    1.25
    >>> quantile({1.0: 0, math.inf: 4}, {}, 0.5), quantile({1.0: 4}, {1.0: 4}, 0.5)
    (1.0, None)
    """
    came = [(bound, now[bound] - before.get(bound, 0)) for bound in sorted(now)]
    if not came or came[-1][1] <= 0:
        return None
    wanted, lower, below = q * came[-1][1], 0.0, 0
    for bound, up_to in came:
        if up_to >= wanted and up_to > below:
            return (
                lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (up_to - below)
            )
        lower, below = bound, up_to
    return lower


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
