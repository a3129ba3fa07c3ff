"""Charts of the page: SVG on white, so that they read the same in light and in dark."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.grounds import WORDS
from bench.stored import OURS
from bench.study import Json

COLOURS: Final = ("#0072b2", "#d98200", "#008f66", "#c0629a", "#4aa3d9", "#a08a00", "#d55e00")
"""The hues of Okabe and Ito (2008), some darkened to be legible as lines on white."""

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
    "axes.prop_cycle": cycler(color=COLOURS, marker=list("osD^vPX")),
    "lines.linewidth": 1.4,
}
TAIL: Final = "ndcg@10/tail80"
COLD_TARGETS: Final = "ndcg@10/cold"
NAMES: Final = {
    "ndcg@10": "NDCG@10",
    TAIL: "NDCG@10, tail",
    "ndcg@10/count=1-5": "NDCG@10, ≤5",
    "aplt@10": "Share of tail items shown",
}


def svg(draw: Callable[..., None], *stored: object) -> str:
    """Draw one of the charts below as SVG; without a date, so that the same results give the same text."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        draw(figure, *stored)
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()


def ablation(figure: Figure, studies: Sequence[Json]) -> None:
    """Each variant as a multiple of words alone, in the tail and for cold items; a marker a data set."""
    figure.set_size_inches(9, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    shown = {TAIL: NAMES[TAIL], COLD_TARGETS: "NDCG@10, cold items"}
    for at, (axes, metric) in enumerate(zip(panels, shown, strict=True)):
        for study in studies:
            found = {row["variant"]: row["metrics"] for row in study["grounds"][at]["rows"]}
            means = {name: metrics[metric]["mean"] for name, metrics in found.items() if metric in metrics}
            if words := means.get(WORDS):
                multiples = [mean / words for mean in means.values()]
                axes.plot(multiples, list(means), linestyle="", clip_on=False, label=study["dataset"])
        axes.axvline(1, color="#333333", linewidth=1)
        axes.set(title=shown[metric], xlabel="Multiple of words alone", xlim=(0, None))
    panels[0].invert_yaxis()
    _legend(panels[1])


def encoders(figure: Figure, studies: Sequence[Json]) -> None:
    """NDCG@10 and its tail by the number of an encoder's weights; dashed: words alone."""
    figure.set_size_inches(9, 3.6)
    for axes, metric in zip(figure.subplots(1, 2), (TAIL, "ndcg@10"), strict=True):
        for study, colour in zip(studies, itertools.cycle(COLOURS)):
            words, *rows = study["rows"]
            sizes = [row["parameters"] / 1e6 for row in rows]
            axes.plot(sizes, [row["metrics"][metric]["mean"] for row in rows], label=study["dataset"])
            axes.axhline(words["metrics"][metric]["mean"], color=colour, linestyle="--")
        axes.set(title=NAMES[metric], xlabel="Weights of the encoder, millions")
        axes.set(xscale="log", xlim=(10, None), ylim=(0, None))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    _legend(figure.axes[1])


def staleness(figure: Figure, points: Sequence[Json]) -> None:
    """NDCG@10 of each model by how late events arrive."""
    figure.set_size_inches(7, 4)
    axes = figure.add_subplot(xlabel="Events arrive late by", ylabel=NAMES["ndcg@10"])
    for name in dict.fromkeys(name for point in points for name in point["models"]):
        _line(axes, name, [point["models"].get(name, {}).get("ndcg@10", math.nan) for point in points])
    axes.set_xticks(range(len(points)), [point["staleness"] for point in points])
    axes.set_ylim(bottom=0)
    _legend(axes)


def frontier(figure: Figure, points: Sequence[Json]) -> None:
    """NDCG@10 against its tail, and against the share of tail items shown, each with its strength."""
    figure.set_size_inches(9, 3.8)
    for axes, across in zip(figure.subplots(1, 2, sharey=True), (TAIL, "aplt@10"), strict=True):
        x, y = (
            [math.nan if (value := point["metrics"][metric]) is None else value for point in points]
            for metric in (across, "ndcg@10")
        )
        axes.plot(x, y, "o-", color=COLOURS[0])
        for point, position in zip(points, zip(x, y, strict=True), strict=True):
            if point["strength"] % 0.25 == 0:  # the others lie too close together
                axes.annotate(f"{point['strength']:g}", position, (4, 6), textcoords="offset points")
        axes.set(xlabel=NAMES[across])
        axes.margins(0.12)
    figure.axes[0].set(ylabel=NAMES["ndcg@10"])


def scale(figure: Figure, events: Sequence[int], costs: Mapping[str, Sequence[float]]) -> None:
    """Costs as multiples of the first point; dashed: in proportion to the events."""
    figure.set_size_inches(9, 4.2)
    axes = figure.add_subplot(xscale="log", yscale="log", xlabel="Events", ylabel="Multiple of the first")
    for name, values in costs.items():
        _line(axes, name, [value / values[0] for value in values], events)
    axes.plot(events, [n / events[0] for n in events], "--", marker="", color="#777777", label="events")
    _legend(axes)
    axes.set_xticks(events, [f"{n:,}" for n in events])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())


def growth(figure: Figure, axes: Mapping[str, Json]) -> None:
    """Costs by what grows, as multiples of the first point; dashed: in proportion to it."""
    figure.set_size_inches(9, 3.2 * len(axes))
    for panel, (name, grown) in zip(np.ravel(figure.subplots(len(axes), 1)), axes.items(), strict=True):
        at = [n for n in grown["sizes"] if n]
        for label, values in grown["costs"].items():
            known = values[-len(at) :]
            _line(panel, label, [value / known[0] for value in known], at)
        panel.plot(at, [n / at[0] for n in at], "--", marker="", color="#777777", label=name)
        panel.set(xscale="log", yscale="log", xlabel=name.capitalize(), ylabel="Multiple of the first")
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        _legend(panel)


def tilt(figure: Figure, sets: Sequence[Json]) -> None:
    """Test targets of an item by its training count, as multiples of those of the average item."""
    figure.set_size_inches(9, 4.2)
    axes = figure.add_subplot(yscale="log", xlabel="Training interactions of the item")
    axes.set_ylabel("Test targets an item, average = 1")
    for one in sets:
        average = one["queries"] / one["items"]
        values = [
            row["targets"] / row["items"] / average if row["items"] else math.nan for row in one["rows"]
        ]
        _line(axes, f"{one['dataset']}, {one['protocol']}", values)
    axes.axhline(1, color="#777777", linewidth=1)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    _legend(axes)


def regret(figure: Figure, sets: Sequence[Json]) -> None:
    """Clicks lost to the best fixed weights, by the rankings shown; a column a data set, a row a scenario."""
    scenarios = list(sets[0]["scenarios"])
    figure.set_size_inches(4.2 * len(sets) + 1.5, 3.2 * len(scenarios))
    grid = figure.subplots(len(scenarios), len(sets), squeeze=False)
    for axes, (scene, one) in zip(grid.ravel(), itertools.product(scenarios, sets), strict=True):
        for way, found in one["scenarios"][scene].items():
            curve = found["regret_after"]
            axes.plot(curve["rankings"], curve["mean"], label=way, marker="")
        axes.set(title=f"{one['dataset']}: {scene}", xlabel="Rankings", ylabel="Clicks lost")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _legend(grid[0, -1])


def deletion(figure: Figure, studies: Sequence[Json]) -> None:
    """Mean rank of an item whose events are taken away, in each order; a panel a data set."""
    figure.set_size_inches(4.2 * len(studies) + 1.5, 3.4)
    panels = np.atleast_1d(figure.subplots(1, len(studies)))
    for axes, study in zip(panels, studies, strict=True):
        shares = [100 * share for share in study["deletion"]["shares"]]
        for name, curve in study["deletion"]["curves"].items():
            axes.plot(shares, curve["rank"], label=name)
        axes.set(title=study["dataset"], xlabel="% of events taken away", ylabel="Mean rank of the item")
        axes.invert_yaxis()
    _legend(panels[-1])


def day(figure: Figure, found: Json) -> None:
    """Clicks to be expected, and how long rankings took, in the course of a day; what happened is marked."""
    figure.set_size_inches(9, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for name in ("first model", "served"):
        upper.plot(found["rankings"], found["clicks"][name], marker="", label=name)
    upper.set(ylabel="Clicks to be expected of a ranking")
    for name, values in found["ms"].items():
        lower.plot(found["rankings"], values, marker="", label=name)
    lower.set(xlabel="Rankings", ylabel="Milliseconds", ylim=0)
    lower.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for at, mark in enumerate(found["marks"][1:]):
        for axes in (upper, lower):
            axes.axvline(mark["rankings"], color="#999999", linewidth=0.8, linestyle=":")
        place = (mark["rankings"], 0.03 + 0.07 * (at % 6))
        upper.annotate(mark["what"], place, xycoords=("data", "axes fraction"), fontsize=8)
    _legend(upper)
    _legend(lower)


def exposure(figure: Figure, found: Json) -> None:
    """Share of the first ten that goes to the tail, over the requests before; targets are dotted."""
    figure.set_size_inches(9, 3.6)
    axes = figure.add_subplot(xlabel="Requests", ylabel=f"Tail share, last {found['window']:,} requests")
    for name, one in found["ways"].items():
        at = found["window"] + np.arange(len(one["curve"])) * (found["window"] // 10)
        axes.plot(at, one["curve"], label=name, marker="")
    for target in {each["target"] for each in found["settings"].values()}:
        axes.axhline(target, color="#777777", linewidth=1, linestyle=":")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _legend(axes)


def dials(figure: Figure, studies: Sequence[Json]) -> None:
    """Change of NDCG@10 against what policies gain; a row a data set, a large mark the choice of each."""
    shown = {
        "aplt@10": "Share of tail items shown",
        "coverage@10": "Coverage",
        "ild@10": "Intra-list distance",
    }
    figure.set_size_inches(4.0 * len(shown) + 1.2, 3.2 * len(studies))
    grid = figure.subplots(len(studies), len(shown), squeeze=False)
    for (study, (metric, label)), axes in zip(
        itertools.product(studies, shown.items()), grid.ravel(), strict=True
    ):
        plain = study["plain"]["test"]
        for curve in study["curves"]:
            points = [plain, *(point["test"] for point in curve["points"])]
            changes = [100 * (point["ndcg@10"] / plain["ndcg@10"] - 1) for point in points]
            values = [point[metric] for point in points]
            (line,) = axes.plot(values, changes, label=curve["dial"], markersize=3.5)
            if curve["chosen"] is not None:
                at = curve["chosen"] + 1
                axes.plot(values[at], changes[at], line.get_marker(), color=line.get_color(), markersize=8)
        axes.axhline(-100 * study["max_loss"], color="#777777", linewidth=1, linestyle=":")
        axes.set(
            title=study["dataset"], xlabel=label, ylim=(-600 * study["max_loss"], 200 * study["max_loss"])
        )
    for axes in grid[:, 0]:
        axes.set_ylabel("Change of NDCG@10, %")
    _legend(grid[0, -1])


def _line(axes: Axes, name: str, values: Sequence[float], at: Sequence[int] | None = None) -> None:
    """Draw a line in the next colour; tailrank's is thick."""
    axes.plot(at or range(len(values)), values, label=name, linewidth=2.6 if name == OURS else 1.4)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
