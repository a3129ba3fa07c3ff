"""Replays: what would have been raised with other settings, from the counts and texts that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tailrank.arrays import Doubles, Offsets
from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.described import described
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.settings import DAY, Kind, MonitorSettings
from tailrank.tasks.monitor.summaries import Vectors, lexical_vectors
from tailrank.tasks.monitor.surges import Surges


@dataclass(frozen=True)
class Trace:
    """A series with its expectation, period by period.

    Attributes
    ----------
    series, kind
        What is watched.
    starts
        Of the periods, in seconds since 1970, shape (periods,).
    observed, expected
        Texts or negative ones, shape (periods,).
    """

    series: Series
    kind: Kind
    starts: Offsets
    observed: Offsets
    expected: Doubles


@dataclass
class Replay:
    """What would have been raised, and the series that was traced."""

    alerts: list[Alert] = field(default_factory=list)
    trace: Trace | None = None


def replay(
    state: MonitorState,
    settings: MonitorSettings,
    days: int,
    traced: Series | None = None,
    vectors: Vectors = lexical_vectors,
) -> Replay:
    """Watch all kept periods anew, and report the alerts of the last ones; nothing is written.

    Parameters
    ----------
    state
        Of a monitor, whose period is kept.
    settings
        To try.
    days
        Before the latest period, whose alerts are reported; those before are learned from.
    traced
        A series to trace; its volume is, of negative texts if these are watched.
    vectors
        Of texts and sentences.

    Raises
    ------
    RequestError
        If no period is over yet, the period differs, or no text was counted in the traced series.
    """
    counts = state.counts(float("-inf"))
    kept = state.note("settings", {}).get("period", settings.period)
    if not counts:
        raise RequestError(f"{state.file}: no period is over yet: feed it texts first")
    if kept != settings.period:
        raise RequestError(f"{state.file} counts by {kept}, not by {settings.period}: leave the period out")
    if traced is not None and not any(traced in period for period in counts.values()):
        raise RequestError(f"no text was counted in {traced}: choose another topic or entity")
    found, surges, points = Replay(), Surges(settings), list[tuple[int, int, float]]()
    volumes: Sequence[Kind] = [kind for kind in settings.kinds if kind != "negative share"]
    kind = volumes[0] if volumes else "volume"
    last = max(counts)
    for start in range(min(counts), last + settings.seconds, settings.seconds):
        for raised in surges.close(start, counts.get(start, {})):
            if start > last - days * DAY:
                found.alerts.append(described(raised, state, vectors))
        if traced is not None and traced in surges.series and start > last - days * DAY:
            watched = surges.series[traced]
            expected = np.nan
            if kind in watched.detectors and np.isfinite(watched.detectors[kind].threshold):
                expected = float(watched.detectors[kind].expectation.at(np.array([start]))[0])
            points.append((start, int(watched.history.of(kind)[-1]), expected))
    if traced is not None and points:
        starts, observed, expectations = (np.array(column) for column in zip(*points, strict=True))
        found.trace = Trace(traced, kind, starts, observed, expectations)
    return found
