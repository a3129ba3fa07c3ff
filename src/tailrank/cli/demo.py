"""`tailrank demo`: a real catalogue re-ranked for a real person, against honest baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.console import Console

from tailrank.cli import demo_walkthrough as story
from tailrank.cli.evaluate import show
from tailrank.cli.options import (
    Seed,
    item_vectors,
    load,
)
from tailrank.cli.progress import progress_bars
from tailrank.data.candidates import Scorer
from tailrank.data.splits import Split, temporal
from tailrank.evaluation import runner as protocol
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.machine import machine
from tailrank.metrics.full_ranking import Model
from tailrank.ranking.fitting import Settings
from tailrank.ranking.reranker import Reranker

REPEATING: Final = ("tailrank", "frequent", "popularity", "item-knn")
FINDER: Final = "item-knn"
QUERIES: Final = 4_000
"""Test queries at most, so that a demo stays one."""

LONG_PAST: Final = 1_000
"""Events to look at where people take things again: what they take often shows only over a long time."""

REPEATED: Final = 0.05
"""Share of repeats among the test events from which a table that allows them is worth printing."""


def demo(
    data: Annotated[str, typer.Option(help="A public data set with timestamps, or a data folder.")] = (
        "movielens-100k"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("demo"),
    per_user: Annotated[int, typer.Option(min=1, help="Test at most this many events a person.")] = 30,
    seed: Seed = 0,
) -> None:
    """Fetch a data set, fit, measure against baselines, and show one person's list before and after."""
    console = Console()
    dataset = load(data)
    console.print(
        f"[bold]{dataset.name}[/]: {dataset.n_items:,} items, {dataset.n_users:,} people, "
        f"{len(dataset.histories.items):,} events"
    )
    vectors, about = item_vectors(dataset, "default", None)
    about |= machine()

    def measure(names: Sequence[str], folder: Path, repeats: bool) -> tuple[Split, dict[str, Model]]:
        settings = Settings(max_history=LONG_PAST if repeats else 50, seed=seed)
        split = temporal(dataset, per_user, repeats=repeats).sampled(QUERIES, seed)
        with progress_bars() as progress:
            contenders = protocol.fit(names, split, vectors, settings, progress)
            found = protocol.evaluate(contenders, split, vectors, about, progress, settings)
        found.write(folder)
        show(found, console)
        console.print(f"Report: [bold]{folder / 'report.html'}[/]\n")
        return split, {contender.name: contender.scorer for contender in contenders}

    split, fitted = measure(DEFAULT_MODELS, out / dataset.name, repeats=False)
    if temporal(dataset, per_user, repeats=True).test.repeated.mean() >= REPEATED:
        console.print("People here take things again, so the same with repeats allowed:\n")
        measure(REPEATING, out / f"{dataset.name}-repeats", repeats=True)
    reranker, finder = cast(Reranker, fitted["tailrank"]), cast(Scorer, fitted[FINDER])
    story.show(story.tell(reranker, finder, split), split.full_train, FINDER, console)
