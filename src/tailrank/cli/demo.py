"""`tailrank demo`: a real catalogue re-ranked for a real person, against honest baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.console import Console

from tailrank.cli import story
from tailrank.cli.evaluate import table
from tailrank.cli.options import Seed, item_vectors, load, machine, steps
from tailrank.data.splits import temporal
from tailrank.evaluation import protocol
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.ranking.reranker import Reranker, Settings

FINDER: Final = "item-knn"
REPEATED: Final = 0.05
"""Share of repeats among the test events from which a table that allows them is worth printing."""


def demo(
    data: Annotated[str, typer.Option(help="A public data set with timestamps, or a data folder.")] = (
        "movielens-100k"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("demo"),
    per_user: Annotated[int, typer.Option(min=1, help="Test at most this many events a person.")] = 10,
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
    settings = Settings(seed=seed)
    split = temporal(dataset, per_user)
    with steps() as progress:
        contenders = protocol.fit(DEFAULT_MODELS, split, vectors, settings, progress)
        found = protocol.evaluate(contenders, split, vectors, about | machine(), progress, settings)
    found.write(out / dataset.name)
    console.print(table(found))
    fitted = {contender.name: contender.scorer for contender in contenders}
    reranker = cast(Reranker, fitted["tailrank"])
    story.show(story.tell(reranker, fitted[FINDER], split), split.past, FINDER, console)
    console.print(f"\nReport: [bold]{out / dataset.name / 'report.html'}[/]")
