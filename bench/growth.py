"""Time and memory as one thing grows, others equal: candidates, history, items, users; with exponents."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import typer
from scipy.stats import t

from bench.sidebyside.ground import Ground
from bench.sidebyside.process import EVENTS, FEW, FEW_CANDIDATES, ranked
from bench.sidebyside.side import ROOT, Side
from bench.stored import Studies
from bench.study import RESULTS, Json, chosen, store
from tailrank.data.cache import cache_root

NAME: Final = "growth"
CALLS: Final = 1_000
LONGEST: Final = 200
"""Candidates, while the history grows."""


@dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes
    ----------
    sizes
        How large it is.
    costs
        What is looked at: labels by the names that probes have for them.
    measure
        Gives costs at a size.
    """

    sizes: tuple[int, ...]
    costs: dict[str, str]
    measure: Callable[[Ground, int], Json]


def candidates(ground: Ground, n: int) -> Json:
    """Rank n candidates."""
    return _few(ground, EVENTS, n)


def history(ground: Ground, n: int) -> Json:
    """Rank for a history of n events."""
    return _few(ground, n, LONGEST)


def _few(ground: Ground, events: int, n: int) -> Json:
    requests = ground.made_up_requests(FEW, events, n)
    return ranked(ground.maker, ground.made_up_model(FEW, sequence_epochs=1), requests, CALLS)


def items(ground: Ground, n: int) -> Json:
    """Rank among n items."""
    requests = ground.made_up_requests(n, EVENTS, FEW_CANDIDATES)
    return ranked(ground.maker, ground.made_up_model(n), requests, CALLS)


def users(ground: Ground, n: int) -> Json:
    """Read a history among n of them."""
    with tempfile.TemporaryDirectory() as folder:
        return ground.maker.probe("state", folder=f"{folder}/state", users=n)


RANKING: Final = {
    "p50_ms": "ranking, p50, ms",
    "after_event_p50_ms": "right after an event, p50, ms",
    "memory_kb": "memory of a ranking, kB",
}
AXES: Final[dict[str, Axis]] = {
    "candidates": Axis((25, 50, 100, 200, 500, 1_000, 2_000, 5_000), RANKING, candidates),
    "history": Axis((0, 1, 5, 10, 20, 50, 100, 200, 500), RANKING, history),
    "items": Axis(
        (1_000, 10_000, 100_000, 1_000_000),
        {"p50_ms": "ranking, p50, ms", "model_mb": "memory of the process, MB"},
        items,
    ),
    "users": Axis(
        (1_000, 10_000, 100_000, 1_000_000),
        {"read_p50_us": "reading a history, p50, µs", "disk_mb": "state on disk, MB"},
        users,
    ),
}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> Json:
    """Fit costs ~ size^exponent by least squares in logarithms, and take the slope between the last two.

    A fixed cost hides how the rest grows; it hides least at the end.

    Examples
    --------
    >>> found = exponent([1, 2, 4, 8], [3, 6, 12, 24])
    >>> round(found["exponent"], 3), round(found["end"], 3)
    (1.0, 1.0)
    """
    x, y = np.log(sizes), np.log(costs)
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    width = t.ppf(0.975, len(x) - 2) * np.sqrt(covariance[0, 0])
    return {
        "exponent": float(slope),
        "ci95": [float(slope - width), float(slope + width)],
        "end": float((y[-1] - y[-2]) / (x[-1] - x[-2])),
    }


def summary(axis: Axis, points: Sequence[Json]) -> Json:
    """Give each cost of an axis at its points and, from three sizes on, its exponents."""
    grown = [point for point in points if point["n"]]
    sizes = [point["n"] for point in grown]
    fits = {
        label: exponent(sizes, [point[key] for point in grown])
        for key, label in axis.costs.items()
        if len(sizes) > 2
    }
    costs = {label: [point[key] for point in points] for key, label in axis.costs.items()}
    return {"sizes": [point["n"] for point in points], "costs": costs, "fits": fits}


def main(
    axis: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(AXES)}; by default all.")] = None,
    most: Annotated[int, typer.Option(help="Leave out larger sizes.")] = 1_000_000,
) -> None:
    """Measure what isn't stored of this build, and store it."""
    side = Side("now", ROOT)
    source = side.about["source"]
    folder = cache_root() / NAME / source[:12]
    folder.mkdir(parents=True, exist_ok=True)
    ground, before = Ground(side, folder, ""), Studies(RESULTS).single(NAME)
    points: dict[str, list[Json]] = before["points"] if before and before["source"] == source else {}
    for name in chosen(axis, AXES):
        known = {point["n"]: point for point in points.get(name, [])}
        for n in AXES[name].sizes:
            if n > most or n in known:
                continue
            known[n] = {"n": n, **AXES[name].measure(ground, n)}
            print(name, known[n], flush=True)
            points[name] = [known[each] for each in sorted(known)]
            axes = {each: summary(AXES[each], points[each]) for each in AXES if each in points}
            stored = {"command": f"python -m bench {NAME}", "source": source, "axes": axes, "points": points}
            store(f"{NAME}.json", stored)
