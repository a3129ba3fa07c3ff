"""Charts of an evaluation, as inline SVG that takes its colours from the page.

Matplotlib draws with placeholder colours; each becomes a CSS variable, so one drawing is right in
light and in dark. Text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tailrank.arrays import Doubles, Offsets
from tailrank.evaluation.results import Evaluation, Ground, TradeoffPoint
from tailrank.metrics.popularity import HEAD_SHARE

PLACEHOLDER: Final = "#0a00"
INK: Final = PLACEHOLDER + "00"
RULE: Final = PLACEHOLDER + "99"
COLOURS: Final = 8
MARKERS: Final = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "*": "★"}
"""Matplotlib's markers, and the characters that look like them."""
LABEL_ROOM: Final = 26
"""Pixels between two labels of a line."""
AFFORDABLE: Final = 0.99
"""Share of NDCG@10 that a line marks in the trade-off."""
ROOM: Final = 0.3
"""How far from the trade-off's curves a model may be to be drawn, in shares of their extent."""
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tailrank",
    "text.parse_math": False,
    "font.size": 11,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor", "grid.color"), RULE),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    "grid.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.markersize": 7,
    "lines.markeredgewidth": 0,
}

Draw = Callable[[Axes, Evaluation], None]


def draw_chart(draw: Draw, evaluation: Evaluation, title: str) -> str:
    """Draw one chart; the same evaluation always gives the same text.

    Parameters
    ----------
    draw
        One of the functions below; its name makes the ids inside the drawing unique in the page.
    evaluation
        What was measured.
    title
        What the chart shows, for readers who hear the page.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.3), layout="constrained")
        draw(figure.add_subplot(), evaluation)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing | {"Title": title})
    svg = buffer.getvalue()
    svg = re.sub(r'<svg (?:(?:width|height)="\S+" )*', "<svg ", svg[svg.index("<svg ") :])
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{draw.__name__}-", svg)
    return _with_css_variables(svg).replace("<svg ", '<svg role="img" ', 1)


def quality(axes: Axes, evaluation: Evaluation) -> None:
    """NDCG@10 of each model with intervals, for all targets and by how popular the target is."""
    lead = evaluation.lead
    groups = {"all": "ndcg@10"} | {
        name: f"ndcg@10/{name}" for name, queries in lead.targets.items() if queries
    }
    rows = np.arange(len(groups))
    shifts = (np.arange(len(lead.models)) + 0.5) / len(lead.models) - 0.5
    for (model, (marker, colour)), shift in zip(marker_styles(evaluation).items(), shifts, strict=True):
        values = [lead.models[model].get(name) for name in groups.values()]
        axes.plot(np.array(values, float), rows + 0.8 * shift, marker, color=colour, clip_on=False, zorder=3)
        ends = np.array(
            [lead.intervals.get(model, {}).get(name, (np.nan, np.nan)) for name in groups.values()]
        )
        axes.hlines(rows + 0.8 * shift, ends[:, 0], ends[:, 1], colour, linewidth=1.5, zorder=2)
    axes.hlines(rows[1:] - 0.5, 0, 1, RULE, linewidth=0.7, transform=axes.get_yaxis_transform())
    labels = [f"{name}\nn = {lead.queries_behind(metric):,}" for name, metric in groups.items()]
    axes.set(yticks=rows, yticklabels=labels, ylim=(len(groups) - 0.5, -0.5), xlabel="NDCG@10")
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(axis="y", length=0, pad=8, labelsize=10)


def exposure(axes: Axes, evaluation: Evaluation) -> None:
    """Share of recommendations, and of training, that the most popular items take up."""
    order = np.argsort(-evaluation.counts, kind="stable")
    share = np.linspace(0, 1, 201)
    axes.plot(share, _cumulative(evaluation.counts[order], share), "--", color=INK)
    for model, (marker, colour) in marker_styles(evaluation).items():
        if model in evaluation.lead.exposure:
            curve = _cumulative(evaluation.lead.exposure[model][order], share)
            axes.plot(share, curve, marker=marker, color=colour, markevery=25)
    axes.axvline(HEAD_SHARE, color=INK, linewidth=0.7)
    axes.text(HEAD_SHARE + 0.01, 0.01, "tail80 →")
    axes.set(xlim=(0, 1), xlabel="Items, the most popular first")
    axes.set(ylim=(0, 1.02), ylabel="Share of positions in the top 10")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))


def tradeoff(axes: Axes, evaluation: Evaluation) -> None:
    """NDCG@10 against the share of tail items shown: the policy as it gets stronger, and models near it."""
    lead, styles = evaluation.lead, marker_styles(evaluation)
    sweep, earlier = _tail_share_and_ndcg(lead.tradeoff), _tail_share_and_ndcg(lead.earlier_tradeoff)
    axes.plot(*earlier.T, "o--", color=INK, markersize=4, linewidth=1)
    axes.plot(*sweep.T, "o-", color=INK, markersize=4)
    axes.axhline(AFFORDABLE * sweep[0, 1], color=INK, linewidth=1, linestyle=(0, (1, 3)))
    for model, point in near_tradeoff(lead).items():
        marker, colour = styles[model]
        axes.plot(*point, marker, color=colour, markersize=8.5, clip_on=False)
    axes.margins(0.08, 0.12)
    axes.set(xlabel="Share of tail80 items in the top 10", ylabel="NDCG@10")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.locator_params(nbins=6)
    axes.autoscale_view()  # or the labels would be placed by other limits than those drawn
    _label_strengths(axes, lead.tradeoff, sweep)


def near_tradeoff(ground: Ground) -> dict[str, Doubles]:
    """Find the models that the chart has room for; share of tail items shown and NDCG@10 of each."""
    curves = _tail_share_and_ndcg([*ground.tradeoff, *ground.earlier_tradeoff])
    low, high = curves.min(axis=0), curves.max(axis=0)
    room = ROOM * (high - low)
    points = {model: _pair(metrics) for model, metrics in ground.models.items()}
    return {
        model: point
        for model, point in points.items()
        if (point >= low - room).all() and (point <= high + room).all()
    }


def marker_styles(evaluation: Evaluation) -> dict[str, tuple[str, str]]:
    """Give each model the marker and the colour that it has in every chart."""
    return {
        model: (list(MARKERS)[nth % len(MARKERS)], f"{PLACEHOLDER}{1 + nth % COLOURS:02d}")
        for nth, model in enumerate(evaluation.lead.models)
    }


def legend(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Give each model's name, marker as a character, and colour as CSS."""
    return [
        (model, MARKERS[marker], _with_css_variables(colour))
        for model, (marker, colour) in marker_styles(evaluation).items()
    ]


def _with_css_variables(text: str) -> str:
    """Replace the placeholder colours by the page's variables."""
    return re.sub(PLACEHOLDER + r"(\d\d)", r"var(--colour-\1)", text)


def _label_strengths(axes: Axes, tradeoff: list[TradeoffPoint], sweep: Doubles) -> None:
    """Write strengths beside their points, from the last one back, as far as there is room."""
    last = np.array([np.inf, np.inf])
    for point, position in zip(tradeoff[::-1], sweep[::-1], strict=True):
        at = axes.transData.transform(position)
        if not np.hypot(*(at - last)) < LABEL_ROOM:
            axes.annotate(f"{point.strength:g}", tuple(position), (6, 5), textcoords="offset points")
            last = at


def _tail_share_and_ndcg(points: list[TradeoffPoint]) -> Doubles:
    """Share of tail items shown and NDCG@10, NaN if unknown; shape (len(points), 2)."""
    return np.array([_pair(point.metrics) for point in points], np.float64).reshape(-1, 2)


def _pair(metrics: Mapping[str, float | None]) -> Doubles:
    return np.array([metrics.get("aplt@10"), metrics.get("ndcg@10")], np.float64)


def _cumulative(amounts: Offsets, share: Doubles) -> Doubles:
    """Read the cumulative share of `amounts` at shares of their number."""
    total = np.concatenate([[0.0], np.cumsum(amounts)])
    curve: Doubles = np.interp(share * len(amounts), np.arange(len(total)), total / max(total[-1], 1.0))
    return curve
