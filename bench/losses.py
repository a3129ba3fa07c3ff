"""What tailrank loses at, computed from evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bench.filters import CHANCE, cost, difference, number, verdict
from bench.stored import OURS, RISING, Evaluated, Published
from bench.study import Json
from tailrank.evaluation.report import METRICS

ONCE: Final = ("Use of the catalogue", "Cost")
"""Groups of metrics that are listed on the ground to judge by only."""

NAMED: Final = 3
"""Better models to name in a cell; the rest are counted."""


def losses(found: list[Evaluated]) -> dict[str, list[Json]]:
    """List, by group of metrics, those at which another model is better, or the difference may be chance."""
    return {
        heading: rows(
            [ground for one in found for ground in one.grounds[: 1 if heading in ONCE else 2]], group
        )
        for heading, group in METRICS.items()
    }


def rows(found: list[Evaluated], metrics: Iterable[str]) -> list[Json]:
    """List those of some metrics at which another model is better, or the difference may be chance."""
    return [row for metric in metrics for one in found if (row := _row(one, metric))]


def published_losses(found: list[Evaluated], published: Published) -> list[Json]:
    """List the published metrics above ours."""
    return [
        {"metric": metric, "dataset": one.dataset, "published": row, "ours": ours}
        for metric in ("ndcg@10", "recall@10")
        for one in found
        for row in published.about(one)
        if row[metric] is not None and (ours := one.mean(OURS, metric)) is not None and row[metric] > ours
    ]


def _row(one: Evaluated, metric: str) -> Json | None:
    printed = cost if metric in METRICS["Cost"] else number
    pairs, ours, sign = one.comparisons(), one.mean(OURS, metric), 1 if RISING[metric] else -1
    better: list[tuple[float, str]] = []
    unsure: list[str] = []
    for name in one.models:
        value, pair = one.mean(name, metric), pairs.get((name, metric))
        if name == OURS or value is None or ours is None:
            continue
        if pair is not None and verdict(pair) == CHANCE:
            unsure.append(f"{name} {difference(pair)}")
        elif sign * value > sign * ours if pair is None else pair["ci95"][1] < 0:
            better.append((value, name))
    if not better and not unsure:
        return None
    ordered = [f"{name} {printed(value)}" for value, name in sorted(better, reverse=sign > 0)]
    more = [f"and {len(ordered) - NAMED} more"] if len(ordered) > NAMED else []
    return {
        "metric": metric,
        "way": "↑" if sign > 0 else "↓",
        "one": one,
        "better": ", ".join([*ordered[:NAMED], *more]),
        "unsure": "; ".join(unsure),
        "ours": printed(ours),
    }
