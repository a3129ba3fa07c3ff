"""Evaluate every data set of the benchmarks, unless its metrics are stored; start again to resume."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.study import RESULTS, Data, Seeds, numbers, path_of, tailrank
from tailrank.evaluation.baselines import DEFAULT_MODELS, PEERS

TEMPORAL: Final = ("--protocol", "temporal")
SETS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("amazon-scientific", "leave-one-out"): (),
    ("amazon-beauty", "leave-one-out"): (),
    ("amazon-beauty", "leave-one-out-shuffled"): ("--ties", "shuffled"),
    ("amazon-sports", "leave-one-out"): (),
    ("movielens-small-plots", "temporal"): TEMPORAL,
    ("complete-journey", "temporal"): (*TEMPORAL, "--queries", "4000", "--sequence-epochs", "2"),
}
"""Data sets and protocols, in the order of the page, and the options of their commands.

An epoch of the sequence model takes minutes on Complete Journey, so there it gets two and not twelve.
"""

PEERED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("amazon-scientific", "leave-one-out"): PEERS,
    ("movielens-small-plots", "temporal"): PEERS,
    ("complete-journey", "temporal"): ("als", "bpr", "implicit-item-knn"),
}
"""Peers that are fitted too, with seed 0: those that can be, and in reasonable time."""


def command(dataset: str, protocol: str, seed: int, names: Sequence[str], data: str, out: str) -> list[str]:
    """Give the command of one evaluation."""
    options = [*SETS[dataset, protocol], "--seed", str(seed)]
    options += [] if "--sequence-epochs" in options else ["--sequence-epochs", "12"]
    options += ["--models", ",".join(names), "--out", out]
    return ["tailrank", "evaluate", "--data", data, *options]


def evaluate(dataset: str, protocol: str, seed: int, root: Path, results: Path = RESULTS) -> bool:
    """Run one evaluation, keep its `metrics.json`, and say whether it worked."""
    kept = results / dataset / protocol / f"seed-{seed}" / "metrics.json"
    if kept.exists():
        return True
    print(f"{time.strftime('%H:%M')} {dataset}, {protocol}, seed {seed}", file=sys.stderr, flush=True)
    data = path_of(dataset, root)
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results) as out:
        peers = PEERED.get((dataset, protocol), ()) if seed == 0 else ()
        _, *arguments = command(dataset, protocol, seed, (*DEFAULT_MODELS, *peers), data, out)
        worked = tailrank(*arguments).returncode == 0
        if worked:
            kept.parent.mkdir(parents=True, exist_ok=True)
            (Path(out) / "metrics.json").rename(kept)
    return worked


def main(data: Data, seeds: Seeds = "0,1,2") -> None:
    """Run what is missing."""
    jobs = [(*pair, seed) for seed in numbers(seeds) for pair in SETS]
    failed = [" ".join(map(str, job)) for job in jobs if not evaluate(*job, data)]
    if failed:
        raise SystemExit(f"failed: {'; '.join(failed)}")
