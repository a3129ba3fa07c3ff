"""Charts of the page: SVG on white, so that they read the same in light and in dark."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.stored import OURS
from bench.study import Json

COLOURS: Final = ("#0072b2", "#d98200", "#008f66", "#c0629a", "#4aa3d9", "#a08a00", "#d55e00")
"""The hues of Okabe and Ito (2008), some darkened to be legible as lines on white."""

MARKERS: Final = "osD^vPX*<>"
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tailrank",
    "text.parse_math": False,
    "font.size": 10,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "axes.edgecolor": "#777777",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
}
TAIL: Final = "ndcg@10/tail80"
NAMES: Final = {
    "ndcg@10": "NDCG@10",
    TAIL: "NDCG@10, tail",
    "ndcg@10/count=1-5": "NDCG@10, ≤5",
    "aplt@10": "Share of tail items shown",
}


def ablation(rows: Sequence[Json]) -> str:
    """Draw each variant's differences with their intervals, one panel a metric, one colour a group."""
    metrics = [name for name in NAMES if any(name in row["difference"] for row in rows)]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 1.2 + 0.32 * len(rows)), layout="constrained")
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            for place, row in enumerate(rows):
                if metric in row["difference"]:
                    _interval(axes, place, row["difference"][metric], COLOURS[groups.index(row["group"])])
            axes.axvline(0, color="#333333", linewidth=1)
            axes.set(xlabel=f"{NAMES[metric]}: difference", yticks=range(len(rows)))
            axes.grid(visible=False, axis="y")
            axes.locator_params(axis="x", nbins=5)
        panels[0].set_yticklabels([f"{row['variant']} (against {row['against']})" for row in rows])
        panels[0].invert_yaxis()
        return _svg(figure)


def staleness(points: Sequence[Json]) -> str:
    """Draw NDCG@10 of each model by how late events arrive."""
    names = list(dict.fromkeys(name for point in points for name in point["models"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        for nth, name in enumerate(names):
            values = [point["models"].get(name, {}).get("ndcg@10", math.nan) for point in points]
            axes.plot(range(len(points)), values, **_mark(nth, name))
        axes.set(xlabel="Events arrive late by", ylabel=NAMES["ndcg@10"])
        axes.set_xticks(range(len(points)), [point["staleness"] for point in points])
        axes.set_ylim(bottom=0)
        _legend(axes)
        return _svg(figure)


def frontier(points: Sequence[Json]) -> str:
    """Draw NDCG@10 against its tail, and against the share of tail items shown, each with its strength."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        for axes, across in zip(figure.subplots(1, 2, sharey=True), (TAIL, "aplt@10"), strict=True):
            x, y = ([_or_nan(point["metrics"][metric]) for point in points] for metric in (across, "ndcg@10"))
            axes.plot(x, y, "o-", color=COLOURS[0])
            for point, place in zip(points, zip(x, y, strict=True), strict=True):
                if point["strength"] % 0.25 == 0:  # the others lie too close together
                    axes.annotate(f"{point['strength']:g}", place, (4, 6), textcoords="offset points")
            axes.set(xlabel=NAMES[across])
            axes.margins(0.12)
        figure.axes[0].set(ylabel=NAMES["ndcg@10"])
        return _svg(figure)


def scale(events: Sequence[int], costs: Mapping[str, Sequence[float]]) -> str:
    """Draw costs as multiples of the first point; dashed: in proportion to the events."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        axes = figure.add_subplot(xscale="log", yscale="log")
        axes.plot(events, [n / events[0] for n in events], "--", color="#777777", label="events")
        for nth, (name, values) in enumerate(costs.items()):
            axes.plot(events, [value / values[0] for value in values], **_mark(nth, name))
        axes.set(xlabel="Events", ylabel="Multiple of the first")
        axes.set_xticks(events, [f"{n:,}" for n in events])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        _legend(axes)
        return _svg(figure)


def _interval(axes: Axes, place: int, found: Json, colour: str) -> None:
    low, high = found["ci95"]
    axes.plot([low, high], [place, place], color=colour)
    axes.plot([found["mean"]], [place], "o", color=colour)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _mark(nth: int, name: str) -> dict[str, Any]:
    """Give a line its look; tailrank's is thick."""
    return {
        "label": name,
        "color": COLOURS[nth % len(COLOURS)],
        "marker": MARKERS[nth % len(MARKERS)],
        "linewidth": 2.6 if name == OURS else 1.4,
    }


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _svg(figure: Figure) -> str:
    """Write SVG without its date, so that the same results give the same file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()
