"""What the page is made from: evaluations by data set, protocol and seed; published metrics; studies."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from bench.grounds import COLD, FAIR
from bench.run import SETS
from bench.study import Json
from tailrank.evaluation.report import METRICS

OURS: Final = "tailrank"
WITHOUT: Final = "without-lm"
FULL: Final = "full ground"
RISING: Final = {name: way == "↑" for group in METRICS.values() for name, (way, _) in group.items()}
"""Whether a metric gets better as it rises."""

PUBLISHED_PROTOCOL: Final = "leave-one-out"
"""The protocol of published metrics: the order in the files, ties included."""

TITLES: Final = {
    "leave-one-out": "leave-one-out",
    "leave-one-out-shuffled": "leave-one-out, same-day ties shuffled",
    "temporal": "temporal",
    "cold-items": COLD,
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
    ground
        What its metrics are of, if there are two grounds and this is one of them.
    """

    dataset: str
    protocol: str
    runs: dict[int, Json]
    ground: str = ""

    @property
    def title(self) -> str:
        """Name the data set, the protocol and the ground."""
        return ", ".join(filter(None, (self.dataset, TITLES[self.protocol], self.ground)))

    @property
    def grounds(self) -> list[Evaluated]:
        """The same on each ground, the one to judge by first; itself if there is only one."""
        fair = {seed: run | run["fair"] for seed, run in self.runs.items() if run.get("fair")}
        return [replace(self, runs=fair, ground=FAIR), replace(self, ground=FULL)] if fair else [self]

    @property
    def earlier(self) -> bool:
        """Whether an earlier build made it, which knew one ground only."""
        return "fair" not in self.first

    @property
    def epochs(self) -> str:
        """How many epochs the sequence model got with each seed; 0 if it was left out."""
        return ", ".join(str(_epochs(run["settings"])) for run in self.runs.values())

    @property
    def dates(self) -> str:
        """When it was measured: a day, or the first and the last."""
        return period(run["settings"]["date"] for run in self.runs.values())

    @property
    def first(self) -> Json:
        """The run with the lowest seed."""
        return next(iter(self.runs.values()))

    @property
    def models(self) -> list[str]:
        """Name the models of all seeds, the best NDCG@10 first."""
        names = {name for run in self.runs.values() for name in run["models"]}
        return sorted(names, key=lambda name: (-(self.mean(name, "ndcg@10") or 0.0), name))

    def values(self, model: str, metric: str) -> list[float]:
        """Give a metric of each seed that has it."""
        found = (run["models"].get(model, {}).get(metric) for run in self.runs.values())
        return [value for value in found if value is not None]

    def mean(self, model: str, metric: str) -> float | None:
        """Average a metric over seeds; None if no seed has it."""
        values = self.values(model, metric)
        return fmean(values) if values else None

    def measured(self, metrics: Iterable[str]) -> list[str]:
        """Choose the metrics that a model has."""
        return [metric for metric in metrics if self.best(metric) is not None]

    def queries(self, metric: str) -> int | None:
        """Count the first seed's queries behind a metric; None if it isn't of rankings, or nobody counted."""
        group = metric.partition("/")[2]
        whole = self.first["queries"] if "@" in metric else None
        counted: int | None = self.first.get("targets", {}).get(group) if group else whole
        return counted

    def comparisons(self) -> dict[tuple[str, str], Json]:
        """Give the paired differences of tailrank by (other model, metric), means over seeds.

        An interval reaches from the lowest end of any seed to the highest. Each seed's own is over users
        only, and trainings differ as well: it holds 0 unless all seeds agree.
        """
        found: dict[tuple[str, str], list[Json]] = defaultdict(list)
        for run in self.runs.values():
            for pair in run["comparisons"]:
                if pair["a"] == OURS:
                    found[pair["b"], pair["metric"]].append(pair)
        return {key: _over_seeds(pairs) for key, pairs in found.items()}

    def best(self, metric: str) -> float | None:
        """Give the best mean of a metric."""
        known = [value for name in self.models if (value := self.mean(name, metric)) is not None]
        return (max if RISING[metric] else min)(known, default=None)

    def runner_up(self, metric: str) -> str | None:
        """Name the best model but tailrank, with and without the language model."""
        means = {name: self.mean(name, metric) for name in self.models if name not in (OURS, WITHOUT)}
        known = {name: mean for name, mean in means.items() if mean is not None}
        return max(known, key=known.__getitem__, default=None)


@dataclass(frozen=True)
class Published:
    """Rows of `published.json`: what others published about the same data sets."""

    rows: list[Json]

    def about(self, one: Evaluated) -> list[Json]:
        """Choose the rows to compare an evaluation with, comparable ones and the highest first."""
        if one.protocol != PUBLISHED_PROTOCOL or one.ground == FAIR:
            return []
        rows = [row for row in self.rows if row["dataset"] == one.dataset]
        return sorted(rows, key=lambda row: (not row["same_protocol"], -(row["ndcg@10"] or 0), row["method"]))

    def best(self, one: Evaluated) -> Json | None:
        """Choose the best comparable row."""
        return next((row for row in self.about(one) if row["same_protocol"]), None)

    def number(self, row: Json) -> int:
        """Give the number of the source of a row."""
        return 1 + list(dict.fromkeys(each["source"] for each in self.rows)).index(row["source"])

    def sources(self, found: list[Evaluated]) -> list[tuple[int, Json]]:
        """List the sources that the page quotes, by their numbers."""
        return sorted({self.number(row): row for one in found for row in self.about(one)}.items())


@dataclass(frozen=True)
class Studies:
    """Results of studies in a folder; what isn't stored is left out of the page."""

    folder: Path

    def single(self, name: str) -> Json | None:
        """Read a file that there is once for all data sets."""
        path = self.folder / f"{name}.json"
        return read(path) if path.exists() else None

    def each(self, name: str) -> list[Json]:
        """Read the file of that name of every data set that has one."""
        return [read(path) for path in sorted(self.folder.glob(f"*/{name}.json"))]


def evaluations(results: Path) -> list[Evaluated]:
    """Read every stored evaluation, in the order of `bench.run.SETS`."""
    runs: dict[tuple[str, str], dict[int, Json]] = defaultdict(dict)
    for path in results.glob("*/*/seed-*/metrics.json"):
        dataset, protocol, seed = path.relative_to(results).parts[:3]
        if (dataset, protocol) not in SETS:
            raise SystemExit(f"{path}: add ({dataset}, {protocol}) to SETS in bench/run.py, or remove it")
        runs[dataset, protocol][int(seed.removeprefix("seed-"))] = read(path)
    for (dataset, protocol), seeds in runs.items():
        if len({"fair" in run for run in seeds.values()}) > 1:
            old = ", ".join(f"seed-{seed}" for seed, run in sorted(seeds.items()) if "fair" not in run)
            raise SystemExit(f"{results / dataset / protocol}: an earlier build made {old}: remove or repeat")
    return [Evaluated(*pair, dict(sorted(runs[pair].items()))) for pair in SETS if pair in runs]


def _over_seeds(pairs: list[Json]) -> Json:
    lows, highs = zip(*(pair["ci95"] for pair in pairs), strict=True)
    mean = fmean(pair["difference"] for pair in pairs)
    return pairs[0] | {"difference": mean, "ci95": [min(lows), max(highs)]}


def _epochs(settings: Json) -> int:
    """Read how many epochs the sequence model got; earlier builds note only how many they asked for."""
    outcome: Json = settings.get("sequence", {"kept": True, "epochs": settings["sequence_epochs"]})
    epochs: int = outcome["epochs"] if outcome["kept"] else 0
    return epochs


def period(dates: Iterable[str]) -> str:
    """Write a day, or the first and the last of several."""
    first, *_, last = sorted(dates) * 2
    return first if first == last else f"{first} to {last}"


def read(path: Path) -> Json:
    """Read one file."""
    contents: Json = json.loads(path.read_text(encoding="utf-8"))
    return contents
