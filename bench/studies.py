"""Sections about single questions: ablation, staleness, exposure, re-ranking, scale, speed.

A section whose file is not stored is left out. Each file may name the `command` that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import stdev
from typing import Final, TypeAlias

from bench import charts
from bench.evaluated import COLUMNS
from bench.stored import Json, by_dataset, frontiers, single
from bench.tables import cost, difference, number, spread, table

Section: TypeAlias = tuple[str, dict[str, str]]
"""Markdown, and the charts in it by file name."""

GROUPS: Final = {"text": "Text", "signals": "Signals", "loss": "Loss"}


def sections(results: Path) -> list[Section]:
    """Make every section that figures are stored for."""
    made = [*_ablations(results), *_staleness(results), *_frontiers(results), *_reranking(results)]
    for name, make in {"scale": _scale, "epoch": _epoch, "serving": _serving}.items():
        stored = single(results, name)
        made += [] if stored is None else [make(stored)]
    return made


def _ablations(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "ablation").items():
        rows = stored["rows"]
        figures = list(dict.fromkeys(metric for row in rows for metric in row["figures"]))
        compared = list(dict.fromkeys(metric for row in rows for metric in row["difference"]))
        lines = [
            [GROUPS[row["group"]], row["variant"], row["against"]]
            + [_seeds(row["figures"].get(metric)) for metric in figures]
            + [_mean_difference(row["difference"].get(metric)) for metric in compared]
            for row in rows
        ]
        header = [
            "",
            "variant",
            "against",
            *map(_label, figures),
            *(f"{_label(m)}: difference" for m in compared),
        ]
        seeds = ", ".join(map(str, stored["seeds"]))
        text = f"{_about(stored)}; seeds {seeds}. A difference is the variant minus what stands in “against”."
        name = f"benchmarks-ablation-{dataset}.svg"
        alt = f"Differences of each variant on {dataset}, with 95% intervals"
        body = [f"## Ablation on {dataset}", text, table(header, lines, left=3), f"![{alt}]({name})"]
        yield _joined(body, stored), {name: charts.ablation(rows)}


def _staleness(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "staleness").items():
        points = stored["points"]
        names = list(dict.fromkeys(name for point in points for name in point["models"]))
        lines = [
            [name, *(number(point["models"].get(name, {}).get("ndcg@10")) for point in points)]
            for name in names
        ]
        header = ["NDCG@10", *(point["staleness"] for point in points)]
        name = f"benchmarks-staleness-{dataset}.svg"
        alt = f"NDCG@10 on {dataset} as events reach the ranker later"
        text = f"{_about(stored)}. Events reach the ranker this late; frozen: never."
        body = [f"## What freshness is worth on {dataset}", text, table(header, lines), f"![{alt}]({name})"]
        yield _joined(body, stored), {name: charts.staleness(points)}


def _frontiers(results: Path) -> Iterator[Section]:
    for dataset, stored in frontiers(results).items():
        points = stored["points"]
        metrics = list(dict.fromkeys(metric for point in points for metric in point["metrics"]))
        lines = [
            [f"{point['tail']:g}", *(number(point["metrics"].get(metric)) for metric in metrics)]
            for point in points
        ]
        name = f"benchmarks-frontier-{dataset}.svg"
        alt = f"NDCG@10 for all targets against NDCG@10 for those in the tail on {dataset}"
        text = "The dial for the long tail, from 0 to 1, and what it gives and takes."
        body = [
            f"## The tail dial on {dataset}",
            text,
            table(["dial", *map(_label, metrics)], lines),
            f"![{alt}]({name})",
        ]
        yield _joined(body, stored), {name: charts.frontier(points)}


def _reranking(results: Path) -> Iterator[Section]:
    for dataset, stored in by_dataset(results, "reranking").items():
        lists = stored["lists"]
        metrics = list(
            dict.fromkeys(metric for each in lists for found in each["models"].values() for metric in found)
        )
        lines = [
            [each["retriever"], name, number(each["ceiling"]), *(number(found.get(m)) for m in metrics)]
            for each in lists
            for name, found in each["models"].items()
        ]
        text = f"{_about(stored)}. The ceiling is the share of targets that the retriever's list holds."
        header = ["retriever", "order", "ceiling", *map(_label, metrics)]
        yield _joined([f"## Re-ranking on {dataset}", text, table(header, lines, left=2)], stored), {}


def _scale(stored: Json) -> Section:
    points = sorted(stored["points"], key=lambda point: point["events"])
    steps = list(dict.fromkeys(step for point in points for step in point.get("steps", {})))
    lines = [
        [f"{point['factor']}x", f"{point['events']:,}", f"{point['items']:,}"]
        + [cost(point[key]) for key in ("fit_seconds", "peak_mb", "rank_ms_per_user")]
        + [cost(point.get("steps", {}).get(step)) for step in steps]
        for point in points
    ]
    header = ["", "events", "items", "fit, s", "peak, MB", "ms a query", *(f"{step}, s" for step in steps)]
    name = "benchmarks-scale.svg"
    alt = "Seconds to fit, peak memory and milliseconds a query by the number of events"
    text = "In the chart, the dashed line grows in proportion to the events."
    body = ["## Scale", table(header, lines), text, f"![{alt}]({name})"]
    return _joined(body, stored), {name: charts.scale(points)}


def _epoch(stored: Json) -> Section:
    ours, theirs = stored["tailrank_seconds"], stored["rectools_seconds"]
    lines = [["tailrank", cost(ours), cost(ours / theirs)], ["RecTools", cost(theirs), cost(1.0)]]
    what = f"{stored['dataset']}, d = {stored['d']}, length {stored['length']}, loss {stored['loss']}"
    body = [
        "## One epoch of the sequence model",
        f"{what}; in the same run.",
        table(["", "seconds", "of RecTools"], lines),
    ]
    return _joined(body, stored), {}


def _serving(stored: Json) -> Section:
    lines = [[row["runtime"], cost(row["p50_ms"]), cost(row["p99_ms"])] for row in stored["rows"]]
    body = ["## Serving", table(["runtime", "median, ms", "99th percentile, ms"], lines)]
    return _joined(body, stored), {}


def _joined(body: list[str], stored: Json) -> str:
    command = [f"```sh\n{stored['command']}\n```"] if "command" in stored else []
    return "\n\n".join([*body, *command])


def _label(metric: str) -> str:
    return COLUMNS.get(metric, metric)


def _about(stored: Json) -> str:
    return f"{stored['dataset']}, {stored['protocol']}"


def _seeds(figure: Json | None) -> str:
    if figure is None:
        return "-"
    return spread(figure["mean"], stdev(figure["seeds"]) if len(figure["seeds"]) > 1 else None)


def _mean_difference(figure: Json | None) -> str:
    return "-" if figure is None else difference(figure, "mean")
