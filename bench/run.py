"""Evaluate every data set of the benchmarks, unless its figures are stored; start again to resume."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tailrank.evaluation.baselines import DEFAULT_MODELS, PEERS

RESULTS: Final = Path(__file__).with_name("results")
SEEDS: Final = (0, 1, 2)
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
"""Where peers are fitted too, with the first seed: those that can be, and in reasonable time."""


def command(dataset: str, protocol: str, seed: int, names: Sequence[str], data: str, out: str) -> list[str]:
    """Give the command of one evaluation."""
    options = [*SETS[dataset, protocol], "--seed", str(seed)]
    options += [] if "--sequence-epochs" in options else ["--sequence-epochs", "12"]
    options += ["--models", ",".join(names), "--out", out]
    return ["tailrank", "evaluate", "--data", data, *options]


def path_of(dataset: str, root: Path) -> str:
    """Name the folder of a data set, or the set where the root lacks it."""
    return str(root / dataset) if (root / dataset).exists() else dataset


def evaluate(dataset: str, protocol: str, seed: int, root: Path, results: Path = RESULTS) -> bool:
    """Run one evaluation, keep its `metrics.json`, and say whether it worked."""
    kept = results / dataset / protocol / f"seed-{seed}" / "metrics.json"
    if kept.exists():
        return True
    print(f"{time.strftime('%H:%M')} {dataset}, {protocol}, seed {seed}", file=sys.stderr, flush=True)
    data = path_of(dataset, root)
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results) as out:
        peers = PEERED.get((dataset, protocol), ()) if seed == SEEDS[0] else ()
        _, *arguments = command(dataset, protocol, seed, (*DEFAULT_MODELS, *peers), data, out)
        program = Path(sys.executable).with_name("tailrank")
        passive = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run([program, *arguments], env=passive, check=False)  # noqa: S603 - our own command
        if done.returncode == 0:
            kept.parent.mkdir(parents=True, exist_ok=True)
            (Path(out) / "metrics.json").rename(kept)
    return done.returncode == 0


def keep(file: Path, contents: Mapping[str, object]) -> None:
    """Write JSON beside, then rename, so that what is stored is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(contents, indent=1, default=str), encoding="utf-8")
    beside.rename(file)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders; what it lacks is fetched by name")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    given = parser.parse_args()
    jobs = [(*pair, seed) for seed in given.seeds for pair in SETS]
    failed = [" ".join(map(str, job)) for job in jobs if not evaluate(*job, given.data)]
    sys.exit(f"failed: {'; '.join(failed)}" if failed else None)


if __name__ == "__main__":
    main()
