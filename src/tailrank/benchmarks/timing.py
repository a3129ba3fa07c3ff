"""Durations, measured and summed up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import Connection

Measurements: TypeAlias = Mapping[str, Any]
"""Numbers by name, or tables of them: what a benchmark returns, and `--json` prints."""

WARM_UP: Final = 5
"""One request to warm up for so many that count."""


def percentiles(milliseconds: Doubles) -> dict[str, float]:
    """Give the median and the 99th percentile of durations, shape (n,)."""
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"p50_ms": p50, "p99_ms": p99}


def time_requests(port: int, requests: Sequence[bytes], last: int) -> dict[str, float]:
    """Time requests one after the other on one connection; gives percentiles of the last of them.

    What is refused with 429, because the machine let it wait too long, is sent again while its time goes on.
    """
    connection, clock, milliseconds = Connection(port), time.perf_counter, []
    for one in requests:
        start = clock()
        connection.insist(one)
        milliseconds.append(1e3 * (clock() - start))
    connection.close()
    return percentiles(np.array(milliseconds[-last:]))
