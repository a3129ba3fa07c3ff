"""`tailrank evaluate`: figures of several models on the same queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tailrank.cli.options import (
    Data,
    Encoder,
    MaxHistory,
    Seed,
    SequenceEpochs,
    TailCost,
    Template,
    TunedEncoder,
    item_vectors,
    load,
    tuned_vectors,
)
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import Ties, leave_one_out, temporal
from tailrank.errors import RequestError
from tailrank.evaluation import runner as full_ranking
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.evaluation.results import Comparison, Evaluation
from tailrank.evaluation.runner import SWEPT
from tailrank.machine import machine
from tailrank.ranking.fitting import Settings

SHOWN = {
    "ndcg@10": "ndcg@10",
    "ndcg@10/head20": "head",
    "ndcg@10/tail80": "tail",
    "recall@10": "recall@10",
    "coverage@10": "coverage",
    "aplt@10": "tail share",
}
"""Figures to print and their headings: head and tail are ndcg@10 of targets there."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def evaluate(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for metrics.json and report.html.")],
    protocol: Annotated[
        Literal["leave-one-out", "temporal"], typer.Option(help="How to split; see docs/evaluation.md.")
    ] = "leave-one-out",
    models: Annotated[str, typer.Option(help="Names, the one of interest first.")] = ",".join(DEFAULT_MODELS),
    ties: Annotated[Ties, typer.Option(help="Order of a person's events at the same time.")] = "original",
    seed: Seed = 0,
    per_user: Annotated[int, typer.Option(min=1, help="temporal: at most this many queries a person.")] = 30,
    staleness: Annotated[
        str, typer.Option(help="temporal: how late events reach the ranker: 0s, 1m, 1h, 1d, …, frozen.")
    ] = "0s",
    repeats: Annotated[bool, typer.Option(help="Also ask for items the person took before.")] = False,
    queries: Annotated[int | None, typer.Option(min=1, help="Test on a sample of this size.")] = None,
    max_history: MaxHistory = 50,
    sequence_epochs: SequenceEpochs = 0,
    tail_cost: TailCost = 0.01,
    encoder: Encoder = "default",
    template: Template = None,
    tuned: TunedEncoder = None,
) -> None:
    """Measure models on held-out events: full ranking, head and tail, with intervals."""
    delay = _seconds(staleness)
    names = [name.strip() for name in models.split(",")]
    full_ranking.check(names)
    dataset = load(data)
    if protocol == "temporal":
        split = temporal(dataset, per_user, delay, repeats=repeats)
    else:
        split = leave_one_out(dataset, ties, seed, repeats)
    if queries is not None:
        split = split.sampled(queries, seed)
    vectors, about = item_vectors(dataset, encoder, template)
    tuned_to, more = tuned_vectors(dataset, tuned, template, split.full_train)
    settings = Settings(
        template=template,
        max_history=max_history,
        seed=seed,
        sequence_epochs=sequence_epochs,
        tail_cost=tail_cost,
    )
    with progress_bars() as progress:
        contenders = full_ranking.fit(names, split, vectors, settings, progress, tuned_to)
        found = full_ranking.evaluate(
            contenders, split, vectors, about | more | machine(), progress, settings
        )
    found.write(out)
    console = Console()
    show(found, console)
    console.print(f"{out / 'metrics.json'}, {out / 'report.html'}")


def show(found: Evaluation, console: Console) -> None:
    """Print the main figures, how the first model compares with the others, and what the tail costs."""
    console.print(f"[bold]{escape(found.dataset)}[/]: {found.users:,} people, {found.queries:,} queries")
    console.print(escape(found.protocol))
    console.print(_figures(found))
    if found.comparisons:
        console.print(_comparisons(found.comparisons))
    if found.tradeoff:
        console.print(_tradeoff(found))


def _figures(found: Evaluation) -> Table:
    table = _table("model", SHOWN)
    best = {name: max(figures[name] or 0 for figures in found.models.values()) for name in SHOWN}
    for model, figures in found.models.items():
        table.add_row(model, *(_cell(figures[name], best[name]) for name in SHOWN))
    return table


def _comparisons(comparisons: list[Comparison]) -> Table:
    """Lay out differences with their 95% intervals; bold where the interval excludes 0."""
    metrics = {comparison.metric: SHOWN[comparison.metric] for comparison in comparisons}
    table = _table(f"{comparisons[0].a} minus", metrics)
    cells: dict[str, dict[str, str]] = {}
    for one in comparisons:
        low, high = one.ci95
        text = f"{one.difference:+.4f} ({low:+.4f} to {high:+.4f})"
        cells.setdefault(one.b, {})[one.metric] = text if low <= 0 <= high else f"[bold]{text}[/]"
    for other, row in cells.items():
        table.add_row(other, *(row.get(metric, "-") for metric in metrics))
    return table


def _tradeoff(found: Evaluation) -> Table:
    table = _table("--tail", SHOWN)
    table.title = f"tailrank at a rising --tail, on {min(SWEPT, found.queries):,} queries"
    for point in found.tradeoff:
        table.add_row(f"{point.dial:g}", *(_cell(point.metrics[name], np.inf) for name in SHOWN))
    return table


def _table(first: str, headings: Mapping[str, str]) -> Table:
    columns = (Column(heading, justify="right") for heading in headings.values())
    return Table(Column(first, no_wrap=True), *columns, box=SIMPLE_HEAD)


def _cell(value: float | None, best: float) -> str:
    if value is None:
        return "-"
    return f"[bold]{value:.4f}[/]" if value == best else f"{value:.4f}"


def _seconds(staleness: str) -> float | None:
    """Read a delay such as `1h`; None for `frozen`."""
    if staleness == "frozen":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", staleness)
    if not match:
        raise RequestError(f"--staleness {staleness!r} is not a delay: write 0s, 1m, 1h, 1d or frozen")
    return float(match[1]) * UNITS[match[2]]
