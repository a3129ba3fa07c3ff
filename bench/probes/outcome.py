"""Learning from outcomes one by one: how long one takes, by the clock and of the processor."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bench.probes import answer
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.impressions import Impression
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.ranking.fusion import COUNT_KNOTS, HISTORY_LABELS, Fusion

ITEMS, SIGNALS = 10, 25
"""Items of a list; with six knots and the scale, so many signals make 32 corrections."""

OUTCOMES = 500
START = 1_700_000_000.0


def learner(rng: np.random.Generator) -> OnlineFusion:
    """Start at weights that are drawn."""
    shape = len(COUNT_KNOTS), len(HISTORY_LABELS)
    names = tuple(f"signal {at}" for at in range(SIGNALS))
    weights = rng.standard_normal((*shape, SIGNALS)).astype(np.float32)
    spreads = rng.uniform(0.5, 2, SIGNALS).astype(np.float32)
    return OnlineFusion.start(Fusion(names, weights, np.zeros(shape, np.float32), 0.0, spreads=spreads))


def drawn(names: tuple[str, ...], at: int, rng: np.random.Generator) -> Outcome:
    """Draw a list of which one item was clicked; a minute between two."""
    clicked, when = np.arange(ITEMS) == rng.integers(ITEMS), START + 60.0 * at
    seen = Impression(
        ranking_id=str(at),
        user_id=str(at),
        time=when,
        model="m",
        item_ids=[str(item) for item in range(ITEMS)],
        previous_ranks=np.arange(1, ITEMS + 1),
        scores=np.zeros(ITEMS),
        signals=rng.standard_normal((ITEMS, len(names))).astype(np.float32),
        signal_names=names,
        count_levels=rng.integers(0, COUNT_KNOTS[-1] + 1, ITEMS).astype(np.int32),
        history_bucket=int(rng.integers(len(HISTORY_LABELS))),
        propensities=np.ones(ITEMS),
    )
    return Outcome(seen, clicked, {"click": np.where(clicked, when + 1, np.nan)})


def measure(passes: int) -> dict[str, Any]:
    """Learn from the same outcomes, later each time; medians over passes, in microseconds an outcome."""
    rng, clock, cpu = np.random.default_rng(0), list[float](), list[float]()
    online = learner(rng)
    for nth in range(passes + 1):
        outcomes = [drawn(online.offline.signals, nth * OUTCOMES + at, rng) for at in range(OUTCOMES)]
        began, used = time.perf_counter(), time.process_time()
        for outcome in outcomes:
            online.learn([outcome])
        cpu.append(1e6 * (time.process_time() - used) / OUTCOMES)
        clock.append(1e6 * (time.perf_counter() - began) / OUTCOMES)
    return {
        "clock_us": float(np.median(clock[1:])),
        "cpu_us": float(np.median(cpu[1:])),
        "least_cpu_us": min(cpu[1:]),
        "sums": [*online.sums.pull.ravel().tolist(), *online.sums.curvature.ravel().tolist()],
    }


if __name__ == "__main__":
    answer(measure)
