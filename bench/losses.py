"""What tailrank loses at, computed from the figures."""

from __future__ import annotations

from typing import Final

from bench.evaluated import COLUMNS, PUBLISHED, method, of
from bench.stored import COSTS, OURS, RISING, Evaluated, Json, beats
from bench.tables import CHANCE, LOSS, cost, difference, number, table, verdict
from tailrank.evaluation.report import METRICS

NAMED: Final = 3
"""Better models to name in a cell; the rest are counted."""

INTRODUCTION: Final = """\
## What we lose at

Every figure of every data set at which another model is better, or where the 95% interval of the difference
holds 0. Intervals exist for NDCG@10 and for its tail; other figures are compared by their means. Arrows say
which way is better. Read the figures about the catalogue together with quality: random lists would win most
of them."""


def section(found: list[Evaluated], rows: list[Json]) -> str:
    """List all losses: by group of figures, then against published figures."""
    groups = [(heading, _group(found, list(group))) for heading, group in METRICS.items()]
    groups.append(("Published figures above ours", _published(found, rows)))
    return "\n\n".join([INTRODUCTION, *(f"### {heading}\n\n{text}" for heading, text in groups)])


def _group(found: list[Evaluated], metrics: list[str]) -> str:
    lines = []
    for metric in metrics:
        for one in found:
            better, unsure = _against(one, metric)
            if better or unsure:
                arrow = "↑" if RISING[metric] else "↓"
                ours = _printed(metric, one.mean(OURS, metric))
                lines.append([f"{metric} {arrow}", one.title, _named(better), "; ".join(unsure), ours])
    return table(["figure", "data set", "better", CHANCE, OURS], lines, left=4) if lines else "Nothing."


def _against(one: Evaluated, metric: str) -> tuple[list[str], list[str]]:
    """Name the models that are better at a figure, the best first, and those that chance may part from us."""
    pairs, ours = one.comparisons(), one.mean(OURS, metric)
    better: list[tuple[float, str]] = []
    unsure: list[str] = []
    for name in one.models:
        value = one.mean(name, metric)
        if name == OURS or value is None or ours is None:
            continue
        pair = pairs.get((name, metric))
        if pair is not None and verdict(pair) == CHANCE:
            unsure.append(f"{name} {difference(pair)}")
        elif beats(metric, value, ours) if pair is None else verdict(pair) == LOSS:
            better.append((value, name))
    ordered = sorted(better, reverse=RISING[metric])
    return [f"{name} {_printed(metric, value)}" for value, name in ordered], unsure


def _named(better: list[str]) -> str:
    more = f", and {len(better) - NAMED} more" if len(better) > NAMED else ""
    return ", ".join(better[:NAMED]) + more


def _printed(metric: str, value: float | None) -> str:
    return cost(value) if metric in COSTS else number(value)


def _published(found: list[Evaluated], rows: list[Json]) -> str:
    lines = [
        [COLUMNS[metric], one.dataset, method(row), row["remark"], number(row[metric]), number(ours)]
        for metric in PUBLISHED
        for one in found
        for row in of(one, rows)
        if row[metric] is not None and (ours := one.mean(OURS, metric)) is not None and row[metric] > ours
    ]
    header = ["figure", "data set", "method", "", "published", OURS]
    return table(header, lines, left=4) if lines else "Nothing."
