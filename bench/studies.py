"""Sections about single questions: ablation, staleness, exposure, re-ranking, scale, speed.

A section whose file is not stored is left out. Each file may tell how it was made: `command`, `date`,
`processor`, `seed` and a `note`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from statistics import stdev
from typing import Final, TypeAlias

from bench import charts
from bench.evaluated import COLUMNS
from bench.stored import Evaluated, Json, by_dataset, single
from bench.tables import cost, difference, number, spread, table
from tailrank.evaluation.runner import SWEPT

Section: TypeAlias = tuple[str, dict[str, str]]
"""Markdown, and the charts in it by file name."""

STEEP: Final = 1.1
"""Exponent above which a cost is said to grow worse than linearly."""

MADE: Final = ("date", "processor", "seed")

COSTS: Final = {
    "peak_mb": "peak memory, MB",
    "rank_ms_per_user": "ranking the catalogue, ms",
    "rank_1000_ms_per_user": "ranking 1,000 items, ms",
}


def sections(results: Path, found: list[Evaluated]) -> list[Section]:
    """Make every section that figures are stored for."""
    made = [*_ablations(results), *_staleness(results)]
    made += [*_frontiers(found), *_reranking(results)]
    for name, make in {"scale": _scale, "epoch": _epoch, "serving": _serving}.items():
        stored = single(results, name)
        made += [] if stored is None else [make(stored)]
    return made


def _ablations(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "ablation").items():
        rows = stored["rows"]
        figures = list(dict.fromkeys(metric for row in rows for metric in row["figures"]))
        compared = [name for name in charts.NAMES if any(name in row["difference"] for row in rows)]
        lines = [
            [row["group"].capitalize(), row["variant"], row["against"]]
            + [averaged(row["figures"].get(metric)) for metric in figures]
            + [mean_difference(row["difference"].get(metric)) for metric in compared]
            for row in rows
        ]
        header = ["", "variant", "against", *map(label, figures)]
        header += [f"{label(metric)}: difference" for metric in compared]
        seeds = ", ".join(map(str, stored["seeds"]))
        text = f"{about(stored)}; seeds {seeds}. A difference is the variant minus what it stands against."
        name = f"benchmarks-ablation-{dataset}.svg"
        alt = f"Differences of each variant on {dataset}, with 95% intervals"
        body = [f"## Ablation on {dataset}", text, table(header, lines, left=3), f"![{alt}]({name})"]
        yield joined(body, stored), {name: charts.ablation([row for row in rows if row["difference"]])}


def _staleness(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "staleness").items():
        points = stored["points"]
        models = list(dict.fromkeys(name for point in points for name in point["models"]))
        metrics = list(dict.fromkeys(metric for name in models for metric in points[0]["models"][name]))
        lines = [["empty histories", "", *(f"{point['empty']:.0%}" for point in points)]]
        lines += [
            [label(metric), name, *(number(point["models"][name][metric]) for point in points)]
            for metric in metrics
            for name in models
        ]
        header = ["figure", "model", *(point["staleness"] for point in points)]
        name = f"benchmarks-staleness-{dataset}.svg"
        alt = f"NDCG@10 on {dataset} as events reach the ranker later"
        text = (
            f"{about(stored)}. Models are fitted once; the same queries are then ranked with events that "
            "reach the ranker this late. Frozen: nothing after the split reaches it."
        )
        body = [
            f"## What freshness is worth on {dataset}",
            text,
            table(header, lines, 2),
            f"![{alt}]({name})",
        ]
        yield joined(body, stored), {name: charts.staleness(points)}


def _frontiers(found: list[Evaluated]) -> Iterator[Section]:
    for one in found:
        seed, run = next(iter(one.runs.items()))
        points, own = run["tradeoff"], run["settings"].get("tail")
        if not points:
            continue
        lines = [
            [f"{point['strength']:g}", *(number(point["metrics"][metric]) for metric in charts.NAMES)]
            for point in points
        ]
        name = f"benchmarks-frontier-{one.dataset}-{one.protocol}.svg"
        alt = f"NDCG@10 on {one.dataset} against its tail, and against the share of tail items shown"
        some = min(SWEPT, run["queries"])
        text = f"The dial for the long tail, from 0 to 1, and what it gives and takes on {some:,} queries of "
        text += f"seed {seed}."
        text += "" if own is None else f" Left to itself, the model chose {own:g}."
        body = table(["dial", *charts.NAMES.values()], lines)
        yield (
            "\n\n".join([f"## The tail dial on {one.title}", text, body, f"![{alt}]({name})"]),
            {name: charts.frontier(points)},
        )


def _reranking(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "reranking").items():
        lists = stored["lists"]
        metrics = list(dict.fromkeys(m for each in lists for found in each["models"].values() for m in found))
        lines = [
            [each["retriever"], name, number(each["ceiling"]), *(number(found.get(m)) for m in metrics)]
            for each in lists
            for name, found in each["models"].items()
        ]
        text = f"{about(stored)}. The ceiling is the share of targets that the retriever's list holds."
        header = ["retriever", "order", "ceiling", *map(label, metrics)]
        yield joined([f"## Re-ranking on {dataset}", text, table(header, lines, left=2)], stored), {}


def _scale(stored: Json) -> Section:
    points = sorted(stored["points"], key=lambda point: point["factor"])
    events = [point["events"] for point in points]
    costs = {f"{step}, s": [point["steps"][step] for point in points] for step in points[0]["steps"]}
    costs |= {label: [point[key] for point in points] for key, label in COSTS.items()}
    slopes = {name: _slope(events, values) for name, values in costs.items()}
    lines = [[key, *(f"{point[key]:,}" for point in points), "", ""] for key in ("events", "items")]
    lines += [
        [name, *map(cost, values), f"{slopes[name]:.2f}", "worse than linear" if _steep(slopes[name]) else ""]
        for name, values in costs.items()
    ]
    steep = [name for name, slope in slopes.items() if _steep(slope)]
    text = (
        "An exponent is the slope between the first point and the last, in logarithms, over events: 1 is "
        f"linear. **Worse than linear (above {STEEP:g}): {'; '.join(steep) or 'nothing'}.**"
    )
    header = ["", *(f"{point['factor']}x" for point in points), "exponent", ""]
    name, alt = "benchmarks-scale.svg", "Costs by the number of events, both axes in logarithms"
    body = ["## Cost as the data grow", text, table(header, lines), f"![{alt}]({name})"]
    return joined(body, stored), {name: charts.scale(events, costs)}


def _epoch(stored: Json) -> Section:
    theirs = stored["rectools_seconds"]
    lines = [
        [label, cost(seconds), f"{stored[f'{key}_events'] / seconds:,.0f}", f"{seconds / theirs:.2f}"]
        for key, label in {"tailrank": "**tailrank**", "rectools": "RecTools"}.items()
        for seconds in [stored[f"{key}_seconds"]]
    ]
    what = (
        f"{stored['dataset']}, d = {stored['d']}, length {stored['length']}, loss {stored['loss']}, about "
        f"{stored['batch_events']:,} events a step, threads: {stored['threads']}."
    )
    header = ["", "seconds", "events a second", "seconds of RecTools"]
    return joined(["## One epoch of the sequence model", what, table(header, lines)], stored), {}


def _serving(stored: Json) -> Section:
    lines = [[row["runtime"], cost(row["p50_ms"]), cost(row["p99_ms"])] for row in stored["rows"]]
    body = ["## Serving the sequence model", table(["runtime", "median, ms", "99th percentile, ms"], lines)]
    return joined(body, stored), {}


def _slope(events: list[int], values: list[float]) -> float:
    return math.log(values[-1] / values[0]) / math.log(events[-1] / events[0])


def _steep(slope: float) -> bool:
    return slope > STEEP


def joined(body: list[str], stored: Json) -> str:
    """Put a section together: its parts, then how its figures were made."""
    """Put a section together, and say how its figures were made."""
    note = [stored["note"]] if "note" in stored else []
    made = [f"seed {stored[key]}" if key == "seed" else stored[key] for key in MADE if key in stored]
    command = [f"```sh\n{stored['command']}\n```"] if "command" in stored else []
    return "\n\n".join([*body, *note, *([f"Measured: {', '.join(made)}."] if made else []), *command])


def label(metric: str) -> str:
    """Name a figure."""
    return COLUMNS.get(metric, metric)


def about(stored: Json) -> str:
    """Name the data set and the protocol."""
    return f"{stored['dataset']}, {stored['protocol']}"


def averaged(figure: Json | None) -> str:
    """Print a mean over seeds, and how they differ."""
    if figure is None:
        return "-"
    return spread(figure["mean"], stdev(figure["seeds"]) if len(figure["seeds"]) > 1 else None)


def mean_difference(figure: Json | None) -> str:
    """Print a difference of means with its interval."""
    return "-" if figure is None else difference({"difference": figure["mean"], "ci95": figure["ci95"]})
