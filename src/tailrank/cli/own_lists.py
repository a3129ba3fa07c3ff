"""`tailrank evaluate --candidates`: lists of another system against tailrank's order of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from tailrank.cli import options
from tailrank.cli.evaluation_tables import comparisons_table, metrics_table
from tailrank.cli.progress import progress_bars
from tailrank.cli.spaces import encoders
from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.data.reading import Reading
from tailrank.errors import DataError
from tailrank.evaluation import runner
from tailrank.evaluation.list_checks import doubts, some
from tailrank.evaluation.own_lists import judge
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.ranking.settings import Settings

IMPRESSIONS: Final = "impressions"
TUNED_REMEDY: Final = "tune it on a folder of earlier events, of another name, or leave it out"
SHOWN: Final = {
    "ndcg@10": "ndcg@10",
    "ndcg@10/head20": "head",
    "ndcg@10/tail80": "tail",
    "recall@10": "recall",
    "aplt@10": "tail share",
}


def read(given: str, data: str, reading: Reading, drop_bad: Path | None = None) -> Lists:
    """Read a file of lists, or the impressions of a data folder.

    Raises
    ------
    DataError
        If they break the contract, whether bad rows of items and events are dropped or not.
    """
    try:
        if given == IMPRESSIONS:
            return Lists.impressions(options.data_folder(data), reading)
        return Lists.read(Path(given), reading)
    except DataError as why:
        if drop_bad is None:
            raise
        raise DataError(f"{why} --drop-bad leaves out rows of items and events, not of lists.") from None


def measure(
    lists: Lists, dataset: Dataset, spaces: Mapping[str, ItemVectors], settings: Settings, out: Path
) -> None:
    """Judge lists, write the report into a folder, and print what was found."""
    for doubt in doubts(lists, dataset):
        typer.echo(f"warning: {doubt}", err=True)
    with progress_bars() as progress:
        found = judge(lists, dataset, spaces, settings, progress)
    found.settings.update({"encoders": encoders(spaces), **machine()})
    runner.write(found, out)
    console, about = Console(), found.settings["lists"]
    assert isinstance(about, dict)  # noqa: S101 - as `judge` writes it
    console.print(escape(_about(about)))
    console.print(metrics_table(f"orders of the same {found.full.queries:,} lists", found.full, SHOWN))
    if found.full.comparisons:
        console.print(comparisons_table(found.full.comparisons, SHOWN))
    console.print(escape(_weights(about)))
    console.print(f"{out / 'metrics.json'}, {out / 'report.html'}")


def _about(about: Mapping[str, Any]) -> str:
    """Say what was measured, and what no order can change."""
    text = (
        f"{about['measured']:,} of {about['lists']:,} lists are measured, of "
        f"{about['items_per_list']:.0f} items on average; their own order is that of {about['own_order']}. "
        f"Chosen is {about['chosen']}; it is in {about['ceiling']:.1%} of the lists: no order can do "
        "better in recall."
    )
    if about["not_measured"]:
        reasons = "; ".join(f"{n:,} {why}" for why, n in about["not_measured"].items())
        text += f" Not measured: {reasons}."
    if about["unknown_items"]:
        named = some(about["unknown_examples"], about["unknown_items"])
        text += f" {about['unknown_items']:,} items aren't in items, and keep their rank: {named}."
    if about["unknown_users"]:
        named = some(about["unknown_user_examples"], about["unknown_users"])
        count = f"{about['unknown_users']:,} of {about['users']:,} users"
        text += f" {count} aren't in events, and are ranked without a history: {named}."
    return text


def _weights(about: Mapping[str, Any]) -> str:
    """Say how much each score counts beside tailrank's own."""
    if not about["weights"]:
        return "The lists have no scores, so there is nothing to weigh beside tailrank's own."
    parts = ", ".join(f"{name} {weight:+.2f}" for name, weight in about["weights"].items())
    return (
        f"Weights of the scores, in log-odds for one standard deviation within a list: {parts}; learned from "
        f"{about['learned_from']:,} other lists."
    )
