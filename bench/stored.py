"""What the page is made from: evaluations by data set, protocol and seed; published figures; studies."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final, TypeAlias

from bench.run import SETS
from tailrank.evaluation.report import METRICS

Json: TypeAlias = dict[str, Any]
OURS: Final = "tailrank"
RISING: Final = {name: way == "↑" for group in METRICS.values() for name, (way, _) in group.items()}
"""Whether a figure gets better as it rises."""

COSTS: Final = tuple(METRICS["Cost"])
TITLES: Final = {
    "leave-one-out": "leave-one-out",
    "leave-one-out-shuffled": "leave-one-out, same-day ties shuffled",
    "temporal": "temporal",
}


@dataclass(frozen=True)
class Evaluated:
    """One data set under one protocol, evaluated with one or more seeds.

    Attributes
    ----------
    dataset, protocol
        The folders it lies in.
    runs
        The contents of each `metrics.json`, by seed, the lowest first.
    """

    dataset: str
    protocol: str
    runs: dict[int, Json]

    @property
    def title(self) -> str:
        """Name the data set and the protocol."""
        return f"{self.dataset}, {TITLES[self.protocol]}"

    @property
    def models(self) -> list[str]:
        """Name the models of all seeds, the best NDCG@10 first."""
        names = {name for run in self.runs.values() for name in run["models"]}
        return sorted(names, key=lambda name: (-(self.mean(name, "ndcg@10") or 0.0), name))

    def values(self, model: str, metric: str) -> list[float]:
        """Give a figure of each seed that has it."""
        found = (run["models"].get(model, {}).get(metric) for run in self.runs.values())
        return [value for value in found if value is not None]

    def mean(self, model: str, metric: str) -> float | None:
        """Average a figure over seeds; None where no seed has it."""
        values = self.values(model, metric)
        return fmean(values) if values else None

    def spread(self, model: str, metric: str) -> float | None:
        """Give the standard deviation over seeds; None where fewer than two have the figure."""
        values = self.values(model, metric)
        return stdev(values) if len(values) > 1 else None

    def comparisons(self) -> dict[tuple[str, str], Json]:
        """Give the paired differences of tailrank by (other model, metric), from the lowest seed of each."""
        found: dict[tuple[str, str], Json] = {}
        for run in self.runs.values():
            for pair in run["comparisons"]:
                if pair["a"] == OURS:
                    found.setdefault((pair["b"], pair["metric"]), pair)
        return found

    def best(self, metric: str) -> float | None:
        """Give the best mean of a figure."""
        known = [value for name in self.models if (value := self.mean(name, metric)) is not None]
        return (max if RISING[metric] else min)(known, default=None)

    def runner_up(self, metric: str) -> str | None:
        """Name the best model but tailrank."""
        others = [name for name in self.models if name != OURS and self.mean(name, metric) is not None]
        return max(others, key=lambda name: self.mean(name, metric) or 0.0, default=None)


def beats(metric: str, value: float, than: float) -> bool:
    """Say whether one value of a figure is better than another."""
    return value > than if RISING[metric] else value < than


def evaluations(results: Path) -> list[Evaluated]:
    """Read every stored evaluation, in the order of `bench.run.SETS`."""
    runs: dict[tuple[str, str], dict[int, Json]] = defaultdict(dict)
    for path in results.glob("*/*/seed-*/metrics.json"):
        dataset, protocol, seed = path.relative_to(results).parts[:3]
        if (dataset, protocol) not in SETS:
            raise SystemExit(f"{path}: add ({dataset}, {protocol}) to SETS in bench/run.py, or remove it")
        runs[dataset, protocol][int(seed.removeprefix("seed-"))] = read(path)
    return [Evaluated(*pair, dict(sorted(runs[pair].items()))) for pair in SETS if pair in runs]


def by_dataset(results: Path, name: str) -> dict[str, Json]:
    """Read the file of that name of every data set that has one."""
    return {path.parent.name: read(path) for path in sorted(results.glob(f"*/{name}.json"))}


def single(results: Path, name: str) -> Json | None:
    """Read a file that there is once for all data sets, if it is stored."""
    path = results / f"{name}.json"
    return read(path) if path.exists() else None


def read(path: Path) -> Json:
    """Read one file."""
    contents: Json = json.loads(path.read_text(encoding="utf-8"))
    return contents
