"""When data end, whatever a few wrong clocks say."""

from typing import Final

import numpy as np

from tailrank.arrays import Seconds
from tailrank.bounds import EARLIEST_TIMESTAMP, latest_plausible_time

LATE_SHARE: Final = 100
"""One event in so many may be called late, at most, or one of at least `FEW`."""

FEW: Final = 10
"""Of fewer events, none is called late: too little is known of their gaps."""

LATE_GAP: Final = 7 * 86_400.0
"""Seconds that lie between the end of the data and late events, at least."""


def robust_latest(times: Seconds) -> float:
    """Find when events end, but for a few that a wrong clock put far beyond the others.

    That is the latest time, unless a gap before the latest hundredth of the events, or within it, is longer
    than a week and twice the longest gap between others: then it is the time before that gap. If most times
    are plausible, the others don't count at all.

    Parameters
    ----------
    times
        Seconds, in any order, at least one; shape (events,).

    Examples
    --------
    >>> days = np.arange(300) * 86_400.0
    >>> robust_latest(days) / 86_400, robust_latest(np.append(days, 1e10)) / 86_400
    (299.0, 299.0)
    """
    plausible = (times >= EARLIEST_TIMESTAMP) & (times <= latest_plausible_time())
    if 2 * plausible.sum() > len(times):
        times = times[plausible]
    if len(times) < FEW:
        return float(times.max())
    few = max(1, len(times) // LATE_SHARE)
    ordered = np.sort(times)
    gaps = np.diff(ordered)
    longest = max(LATE_GAP, 2 * gaps[few:-few].max())
    late = gaps[-few:] > longest
    return float(ordered[-few - 1 + np.argmax(late)] if late.any() else ordered[-1])
