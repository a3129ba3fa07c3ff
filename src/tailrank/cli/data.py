"""Commands about data: `validate`, `datasets list` and `datasets get`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from tailrank.cli.progress import progress_bars
from tailrank.data.public import PUBLIC, fetch, is_prepared, prepared_path
from tailrank.data.schema import Check
from tailrank.data.validation import validate as validate_folder

datasets = typer.Typer(help="Public data sets: list them, get them.", no_args_is_help=True)

COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}
"""By status, in the order in which checks are printed: the worst come last, where they are read first."""


def validate(data: Annotated[Path, typer.Argument(help="Data folder with items and events.")]) -> None:
    """Check a data folder; exit code 1 when a check fails."""
    checks = validate_folder(data)
    console = Console(highlight=False)
    width = max(len(check.name) for check in checks)
    for status in COLOURS:
        for check in (check for check in checks if check.status == status):
            _print(console, check, width)
    tally = Counter(check.status for check in checks)
    console.print(f"\n{tally['FAIL']} failed, {tally['WARN']} warned, {tally['PASS']} passed.")
    raise typer.Exit(1 if tally["FAIL"] else 0)


@datasets.command("list")
def list_sets() -> None:
    """List the public data sets and which of them are prepared."""
    table = Table(Column("name", no_wrap=True), "what", "size", "licence", "prepared", box=SIMPLE_HEAD)
    for name, public_set in PUBLIC.items():
        ready = "yes" if is_prepared(prepared_path(name), name) else "no"
        table.add_row(name, public_set.what, public_set.size, public_set.licence, ready)
    Console().print(table)


@datasets.command("get")
def get_set(
    name: Annotated[str, typer.Argument(help="A name from `tailrank datasets list`.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; by default one in the cache.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the original files, or with items and events.")
    ] = None,
) -> None:
    """Fetch a public data set and prepare it as a data folder; print its path."""
    with progress_bars() as progress:
        folder = fetch(name, out, source, progress)
    typer.echo(folder)


def _print(console: Console, check: Check, width: int) -> None:
    """Print a check on one line; below it, unless it passed, examples and the remedy."""
    line = f"  {check.name:<{width}}  {check.count:>7,}"
    console.print(Text.assemble((check.status, COLOURS[check.status]), line))
    if check.status != "PASS":
        details = Text(f"{', '.join(check.examples)}\n{check.remedy}")
        console.print(Padding(details, (0, 0, 0, 6), expand=False))
