"""The two policies of the Open Bandit Dataset (Saito et al., 2021), each estimated from the other's log.

Of either log 10,000 rows are at hand, with about 40 clicks: a policy's own mean is known to a third. So two
things are measured: whether an estimate and the other log's mean agree within their intervals; and, with the
log as the whole population, from which many samples are drawn, how often intervals hold what the whole log
gives. The second is about the spread of such data, and says nothing of a bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import polars as pl

from bench.coverage import made, summary
from bench.study import Json
from tailrank.arrays import Doubles, Offsets
from tailrank.metrics import importance
from tailrank.metrics.estimate import NORMAL, Estimate, standard_error
from tailrank.metrics.off_policy import doubly_robust, ips, on_policy, snips

ITEMS, POSITIONS = 80, 3
DRAWN: Final = (5_000, 10_000)
PRIOR: Final = 1_000
"""Rows with the mean click rate that are added to those of each item before its rate is taken."""


@dataclass(frozen=True)
class Shown:
    """A log: items, positions from 0, clicks and propensities, each of shape (n,)."""

    items: Offsets
    positions: Offsets
    clicks: Doubles
    propensities: Doubles

    @classmethod
    def read(cls, file: Path) -> Shown:
        """Read a log."""
        frame = pl.read_parquet(file, columns=["item_id", "position", "click", "propensity_score"])
        items, positions, clicks, propensities = (column.to_numpy() for column in frame)
        return cls(items, positions - 1, clicks.astype(np.float64), propensities)

    def policy(self) -> Doubles:
        """How often each item was shown at each position; shape (positions, items)."""
        counts = np.bincount(self.positions * ITEMS + self.items, minlength=POSITIONS * ITEMS)
        shown = counts.reshape(POSITIONS, ITEMS)
        shares: Doubles = shown / shown.sum(axis=1, keepdims=True)
        return shares

    def rates(self) -> Doubles:
        """Click rate of each item, drawn to the mean; shape (items,)."""
        clicks, shown = np.bincount(self.items, self.clicks, ITEMS), np.bincount(self.items, minlength=ITEMS)
        rates: Doubles = (clicks + PRIOR * self.clicks.mean()) / (shown + PRIOR)
        return rates

    def taken(self, rows: Offsets) -> Shown:
        """Take some rows."""
        return Shown(self.items[rows], self.positions[rows], self.clicks[rows], self.propensities[rows])


def estimates(log: Shown, policy: Doubles) -> dict[str, Callable[[], Estimate]]:
    """Give every estimator of a policy, shape (positions, items)."""
    given = log.clicks, log.propensities, policy[log.positions, log.items]

    def robust() -> Estimate:
        half = np.arange(len(log.items)) % 2
        rates = np.array([log.taken(np.flatnonzero(half != side)).rates() for side in (0, 1)])
        expected = (rates @ policy.T)[half, log.positions]
        return doubly_robust(*given, rates[half, log.items], expected)

    return {"ips": lambda: ips(*given), "snips": lambda: snips(*given), "dr": robust}


def study(folder: Path, runs: int) -> list[Json]:
    """Estimate each policy from the other's log."""
    uniform = np.full((POSITIONS, ITEMS), 1 / ITEMS)
    random, sampled = (Shown.read(folder / f"{name}_all.parquet") for name in ("random", "bts"))
    found = []
    for way, log, policy, own in (
        ("random to bts", random, sampled.policy(), sampled),
        ("bts to random", sampled, uniform, random),
    ):
        for name in ("ips", "snips", "dr"):
            found.append({"way": way, "estimator": name, **_compared(name, log, policy, own, runs)})
            print(found[-1], flush=True)
    return found


def _compared(name: str, log: Shown, policy: Doubles, own: Shown, runs: int) -> Json:
    """Compare an estimate with what the other log earned, and its intervals with the spread of samples."""
    truth, call = on_policy(own.clicks), estimates(log, policy)[name]
    whole = _unrefused(call)
    error = float(np.hypot(standard_error(whole.influence), standard_error(truth.influence)))
    off, rng = whole.value - truth.value, np.random.default_rng(0)
    return {
        "own": truth.value,
        "own_ci95": [truth.low, truth.high],
        "refused": made(call) is None,
        "value": whole.value,
        "ci95": [whole.low, whole.high],
        "effective_size": whole.effective_size,
        "off": off,
        "off_ci95": [off - NORMAL * error, off + NORMAL * error],
        "samples": [_sampled(name, log, policy, whole.value, n, runs, rng) for n in DRAWN],
    }


def _sampled(
    name: str, log: Shown, policy: Doubles, whole: float, n: int, runs: int, rng: np.random.Generator
) -> Json:
    """Say how often intervals of samples, drawn with replacement, hold what the whole log gives."""
    samples = (log.taken(rng.integers(len(log.items), size=n)) for _ in range(runs))
    calls = [estimates(each, policy)[name] for each in samples]
    anyway = [_unrefused(call) for call in calls]
    return {
        "n": n,
        **summary([made(call) for call in calls], whole),
        "coverage_if_none_were_refused": float(np.mean([each.low <= whole <= each.high for each in anyway])),
    }


def _unrefused(call: Callable[[], Estimate]) -> Estimate:
    """Estimate from however few rewards, and whatever weights average."""
    with patch.object(importance, "LEAST_REWARDS", 0.0), patch.object(importance, "TOLERANCE", np.inf):
        return call()
