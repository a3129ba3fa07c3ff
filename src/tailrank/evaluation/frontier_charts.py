"""Charts of a frontier: accuracy against what is gained, a line a dial."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from tailrank.arrays import Doubles
from tailrank.evaluation.charts import COLOURS, INK, MARKERS, PLACEHOLDER, Draw
from tailrank.evaluation.frontier import Curve, Frontier, Point
from tailrank.evaluation.results import Evaluation

DRAWN: Final = 6.0
"""How many times the loss that is allowed is still drawn."""


def tail_share(axes: Axes, evaluation: Evaluation) -> None:
    """NDCG@10 against the share of tail items shown."""
    _draw(axes, evaluation, "aplt@10", "Share of tail80 items in the top 10")
    axes.xaxis.set_major_formatter(PercentFormatter(1))


def coverage(axes: Axes, evaluation: Evaluation) -> None:
    """NDCG@10 against the share of items that any list shows."""
    _draw(axes, evaluation, "coverage@10", "Share of items in any top 10")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))


def diversity(axes: Axes, evaluation: Evaluation) -> None:
    """NDCG@10 against the distance between the items of a list."""
    _draw(axes, evaluation, "ild@10", "Intra-list distance in the top 10")


def front(frontier: Frontier, curve: Curve, number: int) -> Draw:
    """NDCG@10 against the mean of a column, with the Pareto front of the objective that raises it.

    `number` makes the ids in the drawing unique.
    """
    metric = str(curve.gain)

    def draw(axes: Axes, evaluation: Evaluation) -> None:
        _draw(axes, evaluation, metric, metric)
        on_front = [each for each in (frontier.plain, *curve.points) if each.value in curve.front]
        pairs = np.array([_pair(each, metric) for each in on_front])
        axes.plot(*pairs.T, "o", color=INK, markersize=11, fillstyle="none")

    draw.__name__ = f"front{number}"
    return draw


def _draw(axes: Axes, evaluation: Evaluation, metric: str, label: str) -> None:
    frontier = evaluation.frontier
    if frontier is None:
        return
    start = _pair(frontier.plain, metric)
    for nth, curve in enumerate(frontier.curves):
        points = np.array([start, *(_pair(point, metric) for point in curve.points)])
        colour, marker = f"{PLACEHOLDER}{1 + nth % COLOURS:02d}", list(MARKERS)[nth % len(MARKERS)]
        axes.plot(*points.T, "-", marker=marker, color=colour, markersize=4, linewidth=1.2, label=curve.dial)
        if curve.chosen is not None:
            axes.plot(*points[curve.chosen + 1], marker, color=colour, markersize=9)
    axes.plot(*start, "o", color=INK, markersize=6)
    axes.axhline((1 - frontier.max_loss) * start[1], color=INK, linewidth=1, linestyle=(0, (1, 3)))
    axes.set(xlabel=label, ylabel="NDCG@10")
    axes.set_ylim(bottom=(1 - DRAWN * frontier.max_loss) * start[1])
    axes.locator_params(nbins=6)
    axes.legend(frameon=False)


def _pair(point: Point, metric: str) -> Doubles:
    return np.array([point.test.get(metric), point.test["ndcg@10"]], np.float64)
