"""Commands about data: `validate`, `datasets list` and `datasets get`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tailrank.data.contract import Check
from tailrank.data.public import PUBLIC, fetch, is_prepared, prepared_path
from tailrank.data.validation import validate as checks_of

datasets = typer.Typer(help="Public data sets: list them, get them.", no_args_is_help=True)

COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}


def validate(data: Annotated[Path, typer.Argument(help="Data folder with items and events.")]) -> None:
    """Check a data folder; exit code 1 when a check fails."""
    checks = checks_of(data)
    console = Console()
    console.print(_table(checks))
    failed = sum(check.status == "FAIL" for check in checks)
    warned = sum(check.status == "WARN" for check in checks)
    console.print(f"{len(checks)} checks: {failed} failed, {warned} warned.")
    raise typer.Exit(1 if failed else 0)


@datasets.command("list")
def list_sets() -> None:
    """List the public data sets and which of them are prepared."""
    table = Table(Column("name", no_wrap=True), "what", "size", "licence", "prepared", box=SIMPLE_HEAD)
    for name, chosen in PUBLIC.items():
        ready = "yes" if is_prepared(prepared_path(name), name) else "no"
        table.add_row(name, chosen.what, chosen.size, chosen.licence, ready)
    Console().print(table)


@datasets.command("get")
def get_set(
    name: Annotated[str, typer.Argument(help="A name from `tailrank datasets list`.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; by default one in the cache.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the original files, or with items and events.")
    ] = None,
) -> None:
    """Fetch a public data set and prepare it as a data folder; print where it lies."""
    typer.echo(fetch(name, out, source))


def _table(checks: list[Check]) -> Table:
    """Lay out checks; a remedy is shown where there is something to mend."""
    table = Table("status", "check", "count", "examples", "remedy", box=SIMPLE_HEAD)
    for check in checks:
        remedy = "" if check.status == "PASS" else check.remedy
        status = f"[{COLOURS[check.status]}]{check.status}[/]"
        row = (escape(text) for text in (check.name, str(check.count), "\n".join(check.examples), remedy))
        table.add_row(status, *row)
    return table
