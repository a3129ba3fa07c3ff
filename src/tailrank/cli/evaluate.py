"""`tailrank evaluate`: figures of several models on the same queries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tailrank.cli.options import Data, Encoder, MaxHistory, Seed, Template, item_vectors, load, machine, steps
from tailrank.data.splits import Ties, leave_one_out, temporal
from tailrank.errors import RequestError
from tailrank.evaluation import protocol as full_ranking
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.evaluation.results import Evaluation
from tailrank.ranking.fitting import Settings

SHOWN = ("ndcg@10", "ndcg@10/head20", "ndcg@10/tail80", "recall@10", "coverage@10", "aplt@10")
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
    per_user: Annotated[int, typer.Option(min=1, help="temporal: at most this many queries a person.")] = 10,
    staleness: Annotated[
        str, typer.Option(help="temporal: how late events reach the ranker: 0s, 1m, 1h, 1d, …, frozen.")
    ] = "0s",
    repeats: Annotated[bool, typer.Option(help="Also ask for items the person took before.")] = False,
    queries: Annotated[int | None, typer.Option(min=1, help="Test on a sample of this size.")] = None,
    max_history: MaxHistory = 50,
    encoder: Encoder = "default",
    template: Template = None,
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
    settings = Settings(template=template, max_history=max_history, seed=seed)
    with steps() as progress:
        contenders = full_ranking.fit(names, split, vectors, settings, progress)
        found = full_ranking.evaluate(contenders, split, vectors, about | machine(), progress, settings)
    found.write(out)
    console = Console()
    console.print(table(found))
    console.print(f"{out / 'metrics.json'}, {out / 'report.html'}")


def table(found: Evaluation) -> Table:
    """Lay out the main figures, one row a model, the best of each column in bold."""
    title = f"{found.dataset}: {found.users:,} people, {found.queries:,} queries\n{found.protocol}"
    laid_out = Table("model", *SHOWN, title=title, box=SIMPLE_HEAD)
    best = {name: max(figures[name] or 0 for figures in found.models.values()) for name in SHOWN}
    for model, figures in found.models.items():
        cells = (_cell(figures[name], best[name]) for name in SHOWN)
        laid_out.add_row(model, *cells)
    return laid_out


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
