"""`tailrank demo`: a real catalogue re-ranked for a real user, against honest baselines."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Final, TypeAlias

import typer
from rich.console import Console

from tailrank.cli.demo_queries import TailQueries
from tailrank.cli.demo_reasons import Reader
from tailrank.cli.demo_summary import in_short
from tailrank.cli.demo_walkthrough import Walkthrough
from tailrank.cli.evaluate import measure
from tailrank.cli.options import Device, Seed, load
from tailrank.cli.progress import progress_bars
from tailrank.cli.spaces import vector_spaces
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, temporal
from tailrank.errors import needs
from tailrank.evaluation.results import Evaluation
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

MODELS: Final = ("tailrank", "without-lm", "popularity", "item-knn", "tfidf+lm")
REPEATING: Final = ("tailrank", "frequent", "popularity", "item-knn")
FINDER: Final = "item-knn"
RANKED: Final = (FINDER, "without-lm", "tailrank")

Models: TypeAlias = Mapping[str, Any]
"""Fitted models by name."""

QUERIES: Final = 4_000
"""Test queries at most, so that a demo stays one."""

LEARNED: Final = 3_000
"""Validation queries to learn fusion from at most, for the same reason: half of what is usual."""

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
    device: Device = "auto",
    serve: Annotated[
        bool, typer.Option("--serve", help="Show rankings on a page instead, by a server at --port.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of that server.")] = 8000,
    browser: Annotated[bool, typer.Option(help="Whether to open that page.")] = True,
) -> None:
    """Fetch a data set, fit, measure with and without the language model, and show one user's lists."""
    console = Console()
    dataset = load(data)
    console.print(
        f"[bold]{dataset.name}[/]: {dataset.n_items:,} items, {dataset.n_users:,} users, "
        f"{len(dataset.histories.items):,} events"
    )
    if serve:
        _serve(dataset, out / f"{dataset.name}-page", per_user, seed, port, browser, console)
        return
    spaces = vector_spaces(dataset, "default", None)

    def compare(names: Sequence[str], folder: Path, repeats: bool) -> tuple[Split, Models, Evaluation]:
        settings = Settings(max_history=LONG_HISTORY if repeats else 50, queries=LEARNED, seed=seed)
        split = temporal(dataset, per_user, repeats=repeats).sampled(QUERIES, seed)
        models, found = measure(names, split, spaces, settings, folder)
        console.print(f"Report: [bold]{folder / 'report.html'}[/]\n")
        return split, {model.name: model.scorer for model in models}, found

    split, fitted, found = compare(MODELS, out / dataset.name, repeats=False)
    if temporal(dataset, per_user, repeats=True).test.repeated.mean() >= REPEATED:
        console.print("Users here choose items again, so the same with repeats allowed:\n")
        compare(REPEATING, out / f"{dataset.name}-repeats", repeats=True)
    walkthrough = _walkthrough(split, fitted, spaces)
    if walkthrough is None:
        console.print(f"No user to show: {FINDER} finds no tail item that is the answer to a test query.")
    else:
        walkthrough.show(console)
    console.rule("[bold]In short")
    for line in in_short(found):
        console.print(line)


def _walkthrough(split: Split, fitted: Models, spaces: Mapping[str, ItemVectors]) -> Walkthrough | None:
    """Find what to show of a split; None if there is nothing."""
    reranker: Reranker = fitted["tailrank"]
    vectors = reranker.spaces["semantic"].transform(spaces["semantic"].values)
    queries = TailQueries.find(split, fitted[FINDER], {name: fitted[name] for name in RANKED}, vectors)
    if queries is None:
        return None
    reader = Reader.of(TextEncoder.load(), split.full_train, reranker.settings.template, spaces)
    return Walkthrough(split.full_train, queries, reranker, fitted["without-lm"], reader)


def _serve(
    dataset: Dataset, folder: Path, per_user: int, seed: int, port: int, browser: bool, console: Console
) -> None:
    """Make what the page shows, unless an earlier run did, and serve it."""
    with needs("demo --serve", "server"):
        from tailrank.cli.demo_page import DemoPage
        from tailrank.server.page_files import read_prices, read_story
        from tailrank.server.serving import serve as run
        from tailrank.server.settings import ServerSettings
    page = DemoPage(folder)
    if page.is_made_of(dataset, seed):
        console.print(f"Model, users and prices are those of the last run: [bold]{folder}[/]")
    else:
        split = temporal(dataset, per_user).sampled(QUERIES, seed)
        vectors = vector_spaces(dataset, "default", None)["semantic"]
        settings = Settings(queries=LEARNED, seed=seed, sequence_epochs=0)
        with progress_bars() as progress:
            reranker = Reranker.fit(split, vectors, settings, progress)
            page.make(split, reranker, vectors, dataset, seed, progress)
        console.print(f"Model, users and prices: [bold]{folder}[/]")
    story, prices = read_story(page.story), read_prices(page.prices)
    served = ServerSettings(
        page.model,
        str(page.state),
        port=port,
        story=story,
        prices=prices,
        log_impressions=page.log,
        learn=True,
    )
    run(served, _open_browser if browser else lambda _: None)


def _open_browser(url: str) -> None:
    """Open a page; some browsers return only when they are closed."""
    Thread(target=webbrowser.open, args=(url,), daemon=True).start()
