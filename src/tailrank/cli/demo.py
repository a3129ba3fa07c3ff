"""`tailrank demo`: a real catalogue re-ranked for a real user, against honest baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.console import Console

from tailrank.cli.demo_walkthrough import show, walk_through
from tailrank.cli.evaluate import measure
from tailrank.cli.options import Seed, load, vector_spaces
from tailrank.data.candidates import Scorer
from tailrank.data.splits import Split, temporal
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.metrics.full_ranking import Model
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

REPEATING: Final = ("tailrank", "frequent", "popularity", "item-knn")
FINDER: Final = "item-knn"
QUERIES: Final = 4_000
"""Test queries at most, so that a demo stays one."""

LONG_HISTORY: Final = 1_000
"""Events to read if items are chosen again: what a user chooses often shows only over a long time."""

REPEATED: Final = 0.05
"""Share of repeats among the test events from which a table that allows them is worth printing."""


def demo(
    data: Annotated[str, typer.Option(help="A public data set with timestamps, or a data folder.")] = (
        "movielens-100k"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("demo"),
    per_user: Annotated[int, typer.Option(min=1, help="Test at most this many events a user.")] = 30,
    seed: Seed = 0,
) -> None:
    """Fetch a data set, fit, measure against baselines, and show one user's list before and after."""
    console = Console()
    dataset = load(data)
    console.print(
        f"[bold]{dataset.name}[/]: {dataset.n_items:,} items, {dataset.n_users:,} users, "
        f"{len(dataset.histories.items):,} events"
    )
    spaces = vector_spaces(dataset, "default", None)

    def compare(names: Sequence[str], folder: Path, repeats: bool) -> tuple[Split, dict[str, Model]]:
        settings = Settings(max_history=LONG_HISTORY if repeats else 50, seed=seed)
        split = temporal(dataset, per_user, repeats=repeats).sampled(QUERIES, seed)
        models = measure(names, split, spaces, settings, folder)
        console.print(f"Report: [bold]{folder / 'report.html'}[/]\n")
        return split, {model.name: model.scorer for model in models}

    split, fitted = compare(DEFAULT_MODELS, out / dataset.name, repeats=False)
    if temporal(dataset, per_user, repeats=True).test.repeated.mean() >= REPEATED:
        console.print("Users here choose items again, so the same with repeats allowed:\n")
        compare(REPEATING, out / f"{dataset.name}-repeats", repeats=True)
    walk = walk_through(cast(Reranker, fitted["tailrank"]), cast(Scorer, fitted[FINDER]), split)
    show(walk, split.full_train, FINDER, console)
