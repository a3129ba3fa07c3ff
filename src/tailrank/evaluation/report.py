"""The page that shows an evaluation: one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import jinja2
import numpy as np

from tailrank.evaluation import charts, frontier_charts
from tailrank.evaluation.frontier_words import HEADINGS, choices
from tailrank.evaluation.results import Comparison, Evaluation, Ground, TradeoffPoint
from tailrank.ranking.fusion import HISTORY_LABELS, Fusion

METRICS: Final = {
    "Finding the user's next item": {
        "ndcg@10": ("↑", "Hits in the first ten, a hit at the top counting most."),
        "recall@10": ("↑", "Share of targets in the first ten."),
        "mrr": ("↑", "Mean of 1 / rank of the target."),
    },
    "NDCG@10 by the target's popularity in training": {
        "ndcg@10/tail80": ("↑", "Target outside the most popular 20% of items."),
        "ndcg@10/head20": ("↑", "Target among the most popular 20% of items."),
        "ndcg@10/cold": ("↑", "Target among the items made cold."),
        "ndcg@10/warm": ("↑", "Target among all others."),
        "ndcg@10/count=0": ("↑", "Target without training interactions; in a split by time, a new item."),
        "ndcg@10/count=1-5": ("↑", "Target with 1 to 5."),
        "ndcg@10/count=6-20": ("↑", "Target with 6 to 20."),
        "ndcg@10/count>20": ("↑", "Target with more than 20."),
    },
    "Use of the catalogue": {
        "coverage@10": ("↑", "Share of items that were shown at all."),
        "gini@10": ("↓", "Inequality of exposure: 0 equal, 1 all on one item."),
        "arp@10": ("↓", "Training interactions of a shown item, on average."),
        "aplt@10": ("↑", "Share of tail80 items in a list."),
        "novelty@10": ("↑", "Surprise of a shown item, in bits."),
        "ild@10": ("↑", "Distance between the vectors of two items of a list."),
    },
    "Cost": {
        "fit_seconds": ("↓", "Time to fit."),
        "rank_ms_per_user": ("↓", "Time to rank the catalogue for one user, in milliseconds."),
    },
}
"""The direction in which each metric gets better, and what it says."""


def render(evaluation: Evaluation) -> str:
    """Make the page; the same evaluation always gives the same text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tailrank", "evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "setting": setting_text}
    drawings = {
        draw.__name__: partial(charts.draw_chart, draw, evaluation)
        for draw in (charts.quality, charts.exposure, charts.tradeoff)
    }
    frontier = evaluation.frontier
    dials = {
        draw.__name__: partial(charts.draw_chart, draw, evaluation)
        for draw in (frontier_charts.tail_share, frontier_charts.coverage, frontier_charts.diversity)
    }
    fronts = {
        curve.gain: partial(charts.draw_chart, frontier_charts.front(frontier, curve, number), evaluation)
        for number, curve in enumerate(frontier.curves if frontier else ())
        if frontier and curve.gain
    }
    return environment.get_template("report.html").render(
        evaluation=evaluation,
        summary=summary(evaluation),
        legend=charts.legend(evaluation),
        metrics=METRICS,
        best_values=best_values,
        higher=higher_model,
        price=price_of_exposure(evaluation.lead),
        far=_far_from_tradeoff(evaluation.lead),
        reach=_largest_end(evaluation),
        weights=None if evaluation.fusion is None else weights_and_shares(evaluation.fusion),
        histories=HISTORY_LABELS,
        dials=dials,
        fronts=fronts,
        headings=HEADINGS,
        choices=choices(frontier) if frontier else [],
        **drawings,
    )


def summary(evaluation: Evaluation) -> str:
    """Say in one sentence who leads, for all targets and for those in the tail."""
    overall, tail = (_lead(evaluation.lead, metric) for metric in ("ndcg@10", "ndcg@10/tail80"))
    if overall is None:
        return "There was no query to measure a model by."
    start = "For" if evaluation.lead is evaluation.full else "On fair ground, for"
    lead = evaluation.lead
    told = f"{start} all {lead.queries:,} targets {overall}"
    return f"{told}; for the {lead.targets.get('tail80', 0):,} in the tail {tail}." if tail else f"{told}."


def best_values(ground: Ground) -> dict[str, float]:
    """Find the best value of each metric in which models differ."""
    found = {}
    directions = {name: direction for rows in METRICS.values() for name, (direction, _) in rows.items()}
    for name, direction in directions.items():
        known = [value for metrics in ground.models.values() if (value := metrics.get(name)) is not None]
        if known and min(known) < max(known):
            found[name] = max(known) if direction == "↑" else min(known)
    return found


def higher_model(comparison: Comparison) -> str:
    """Say which model is higher, or that the difference may be chance."""
    if comparison.may_be_chance:
        return "may be chance"
    return f"{comparison.a if comparison.difference > 0 else comparison.b} is higher"


@dataclass(frozen=True)
class Price:
    """One strength of the tail policy as it is printed; `change` is that of NDCG@10 against strength 0."""

    strength: str
    ndcg: float | None
    change: str
    tail: float | None
    share: str


def price_of_exposure(ground: Ground) -> list[Price]:
    """Tabulate what each strength of the tail policy costs and brings."""

    def price(point: TradeoffPoint) -> Price:
        ndcg, share = point.metrics.get("ndcg@10"), point.metrics.get("aplt@10")
        change = f"{ndcg / plain - 1:+.1%}" if ndcg is not None and plain else "—"
        shown = "—" if share is None else f"{share:.1%}"
        return Price(f"{point.strength:g}", ndcg, change, point.metrics.get("ndcg@10/tail80"), shown)

    plain = ground.tradeoff[0].metrics.get("ndcg@10") if ground.tradeoff else None
    return [price(point) for point in ground.tradeoff]


def weights_and_shares(fusion: Fusion) -> list[list[list[tuple[float, float]]]]:
    """Pair what a deviation of each signal is worth with its share of the largest, from -1 to 1."""
    weights = np.asarray(fusion.standardised_weights, dtype=np.float64)
    shares = weights / (np.abs(weights).max() or 1.0)
    cells: list[list[list[tuple[float, float]]]] = np.stack([weights, shares], axis=-1).tolist()
    return cells


def number_text(value: float | None) -> str:
    """Print a number with as many digits as it is worth.

    Examples
    --------
    >>> number_text(0.06391), number_text(3.14159), number_text(1234.5), number_text(None)
    ('0.0639', '3.14', '1,234', '—')
    """
    if value is None or not np.isfinite(value):
        return "—"
    digits = 4 if abs(value) <= 1 else 2 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


def setting_text(value: object) -> str:
    """Print a setting; a table of settings becomes one line, and so does a list of them.

    Examples
    --------
    >>> setting_text([{"name": "tail", "strength": 0.25}])
    'name tail, strength 0.25'
    >>> setting_text(None)
    'default'
    """
    if value is None:
        return "default"
    if isinstance(value, list | tuple):
        return "; ".join(map(setting_text, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {setting_text(inner)}" for name, inner in value.items())
    return str(value)


def _largest_end(evaluation: Evaluation) -> float:
    """Find how far any interval reaches from 0."""
    ends = (
        abs(end) for ground in evaluation.grounds.values() for each in ground.comparisons for end in each.ci95
    )
    return max(ends, default=1.0) or 1.0


def _far_from_tradeoff(ground: Ground) -> str:
    """Name the models that the chart of the trade-off has no room for."""
    if not ground.tradeoff:
        return ""
    near = charts.near_tradeoff(ground)
    return ", ".join(
        f"{model} ({number_text(metrics.get('ndcg@10'))} at {metrics.get('aplt@10') or 0:.0%})"
        for model, metrics in ground.models.items()
        if model not in near
    )


def _lead(ground: Ground, metric: str) -> str | None:
    """Say which model leads, by how much, and whether that may be chance."""
    known = [(value, name) for name, row in ground.models.items() if (value := row.get(metric)) is not None]
    if not known:
        return None
    (value, first), *others = sorted(known, key=lambda pair: -pair[0])
    low, high = ground.intervals.get(first, {}).get(metric, (None, None))
    interval = f" ({number_text(low)} to {number_text(high)})" if low is not None else ""
    words = f"{first} leads with NDCG@10 {number_text(value)}{interval}"
    if not others:
        return words
    second_value, second = others[0]
    gain = f" (+{value / second_value - 1:.0%})" if second_value else ""
    doubt = _may_be_chance(ground, first, second, metric)
    words += f" against {number_text(second_value)} of {second}{gain}"
    return f"{words}, which may be chance" if doubt else words


def _may_be_chance(ground: Ground, higher: str, lower: str, metric: str) -> bool:
    """Judge by the comparison of two models or, if there is none, by whether their intervals overlap."""
    for each in ground.comparisons:
        if {each.a, each.b} == {higher, lower} and each.metric == metric:
            return each.may_be_chance
    above, below = (ground.intervals.get(model, {}).get(metric) for model in (higher, lower))
    return above is not None and below is not None and above[0] <= below[1]
