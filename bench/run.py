"""Evaluate every data set of the benchmarks, unless its metrics are stored; start again to resume."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from bench.study import RESULTS, Data, Seeds, chosen, numbers, path_of, tailrank
from tailrank.evaluation.baselines import DEFAULT_MODELS, PEERS

TEMPORAL: Final = ("--protocol", "temporal")
COLD: Final = ("--protocol", "cold-items")
SETS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("amazon-scientific", "leave-one-out"): (),
    ("movielens-small-plots", "temporal"): TEMPORAL,
    ("movielens-100k", "temporal"): TEMPORAL,
    ("amazon-beauty", "leave-one-out"): (),
    ("amazon-sports", "leave-one-out"): (),
    ("amazon-scientific", "cold-items"): COLD,
    ("movielens-small-plots", "cold-items"): COLD,
    ("amazon-beauty", "cold-items"): COLD,
    ("amazon-sports", "cold-items"): COLD,
    ("amazon-beauty", "leave-one-out-shuffled"): ("--ties", "shuffled"),
    ("complete-journey", "temporal"): (*TEMPORAL, "--queries", "4000"),
}
"""Data sets and protocols, in the order of the page, and the options of their commands."""

SLOWER: Final = ("v-sknn", "ease")
"""Baselines that take minutes where there are many items."""

ALSO: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("amazon-scientific", "leave-one-out"): (*SLOWER, *PEERS),
    ("movielens-small-plots", "temporal"): (*SLOWER, *PEERS),
    ("movielens-100k", "temporal"): SLOWER,
    ("complete-journey", "temporal"): ("als", "bpr", "implicit-item-knn"),
}
"""Models that are fitted too, with seed 0: those that can be, and in reasonable time."""


Only: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[,PROTOCOL]", help="A data set, or one protocol of it; may be given again."),
]


def command(
    dataset: str,
    protocol: str,
    seed: int,
    names: Sequence[str],
    data: str,
    out: str,
    epochs: int | None = None,
) -> list[str]:
    """Give the command of one evaluation, by default with the sequence model only if it pays."""
    options = [*SETS[dataset, protocol], "--seed", str(seed)]
    options += [] if epochs is None else ["--sequence-epochs", str(epochs)]
    options += ["--models", ",".join(names), "--out", out]
    return ["tailrank", "evaluate", "--data", data, *options]


def models(dataset: str, protocol: str, seed: int) -> list[str]:
    """Name the models of one evaluation, tailrank first."""
    last = ["last-tfidf"] if protocol.startswith("leave-one-out") else []
    also = ALSO.get((dataset, protocol), ()) if seed == 0 else ()
    return [*DEFAULT_MODELS, "without-lm", *last, *also]


def evaluate(dataset: str, protocol: str, seed: int, root: Path, results: Path = RESULTS) -> bool:
    """Run one evaluation, keep its `metrics.json`, and say whether it worked."""
    kept = results / dataset / protocol / f"seed-{seed}" / "metrics.json"
    if kept.exists():
        return True
    print(f"{time.strftime('%H:%M')} {dataset}, {protocol}, seed {seed}", file=sys.stderr, flush=True)
    data = path_of(dataset, root)
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results) as out:
        _, *arguments = command(dataset, protocol, seed, models(dataset, protocol, seed), data, out)
        worked = tailrank(*arguments).returncode == 0
        if worked:
            kept.parent.mkdir(parents=True, exist_ok=True)
            (Path(out) / "metrics.json").rename(kept)
    return worked


def wanted(only: Sequence[str] | None) -> list[tuple[str, str]]:
    """Choose data sets and protocols by name; refuses names that aren't known."""
    names = {pair: (pair[0], ",".join(pair)) for pair in SETS}
    listed = chosen(only, dict.fromkeys(chain.from_iterable(names.values())))
    return [pair for pair in SETS if not set(names[pair]).isdisjoint(listed)]


def main(data: Data, seeds: Seeds = "0,1,2", only: Only = None) -> None:
    """Run what is missing."""
    jobs = [(*pair, seed) for seed in numbers(seeds) for pair in wanted(only)]
    failed = [" ".join(map(str, job)) for job in jobs if not evaluate(*job, data)]
    if failed:
        raise SystemExit(f"failed: {'; '.join(failed)}")
