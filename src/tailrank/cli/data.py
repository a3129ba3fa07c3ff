"""Commands about data: `validate`, `import`, `datasets list` and `datasets get`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.cli.texts import about_texts
from tailrank.data.buckets import is_bucket
from tailrank.data.columns import Columns
from tailrank.data.imports import gorse, metarank
from tailrank.data.imports.tables import Imported, check_free
from tailrank.data.public import PUBLIC, fetch, is_prepared, prepared_path
from tailrank.data.readers import read_items
from tailrank.data.reading import Reading, as_settings, keep_settings
from tailrank.data.schema import ITEMS, Check
from tailrank.data.validation import guess_names
from tailrank.data.validation import validate as validate_folder
from tailrank.errors import DataError, RequestError
from tailrank.reporting import step

datasets = typer.Typer(help="Public data sets: list them, get them.", no_args_is_help=True)

COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red"}
"""By status, in the order in which checks are printed: the worst come last, where they are read first."""


def validate(
    data: Annotated[str, typer.Argument(help="Data folder, also as s3://BUCKET/FOLDER.")],
    columns: options.Columns = None,
    guess: Annotated[
        bool, typer.Option("--guess", help="Guess by name what columns mean, and write it to tailrank.toml.")
    ] = False,
) -> None:
    """Check a data folder; exit code 1 when a check fails."""
    console = Console(highlight=False)
    reading = replace(options.reading(columns), note=lambda line: console.print(Text(line)))
    folder = options.data_folder(data) if is_bucket(data) else Path(data)
    if guess:
        if is_bucket(data):
            raise RequestError(f"--guess can't write to {data}: give names with --map, or a folder of files")
        _keep_guesses(folder, reading, console)
    with progress_bars() as progress, step(progress, f"reading {data}"):
        checks = validate_folder(folder, reading)
    _print_texts(console, folder, reading, checks)
    width = max(len(check.name) for check in checks)
    for check in sorted(checks, key=lambda check: list(COLOURS).index(check.status)):
        _print(console, check, width)
    tally = Counter(check.status for check in checks)
    console.print(f"\n{tally['FAIL']} failed, {tally['WARN']} warned, {tally['PASS']} passed.")
    raise typer.Exit(1 if tally["FAIL"] else 0)


def _print_texts(console: Console, data: Path, reading: Reading, checks: list[Check]) -> None:
    """Show item texts if the items can be read."""
    of_items = {check.name: check.status for check in checks if check.name.startswith(f"{ITEMS.name}: ")}
    if of_items and "FAIL" not in of_items.values():
        items = read_items(data, replace(reading, note=lambda _: None))
        with suppress(DataError):  # there is no text, which is a check of its own
            console.print(Text(about_texts(items, None) + "\n"))


def _keep_guesses(data: Path, reading: Reading, console: Console) -> None:
    quiet = replace(reading, note=lambda _: None)
    guessed = {
        name: dict(reading.columns.get(name, {})) | found for name, found in guess_names(data, quiet).items()
    }
    if not any(guessed.values()):
        console.out("nothing to guess")
        return
    console.out(f"{keep_settings(data, guessed)}:\n\n{as_settings(guessed)}")


def _print(console: Console, check: Check, width: int) -> None:
    """Print a check on one line; below it, unless it passed, examples and the remedy."""
    line = f"  {check.name:<{width}}  {check.count:>7,}"
    console.print(Text.assemble((check.status, COLOURS[check.status]), line))
    if check.status != "PASS":
        details = Text(f"{', '.join(check.examples)}\n{check.remedy}")
        console.print(Padding(details, (0, 0, 0, 6), expand=False))


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


def import_(
    source: Annotated[
        Path, typer.Argument(help="Metarank: file or folder of events; Gorse: folder of items and feedback.")
    ],
    out: Annotated[Path, typer.Option(help="Data folder to write.")],
    system: Annotated[
        Literal["metarank", "gorse"], typer.Option("--from", help="System that wrote the export.")
    ],
) -> None:
    """Turn an export of Metarank or Gorse into a data folder."""
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    check_free(out)
    with progress_bars() as progress:
        found = {"metarank": metarank, "gorse": gorse}[system].read(source, progress)
        with step(progress, f"writing {out}"):
            found.write(out)
    typer.echo("\n".join(_summary(out, found)))


def _summary(out: Path, found: Imported) -> Iterator[str]:
    """Say line by line what was imported, what was not, and what comes next."""
    users, types = found.events[Columns.USER].n_unique(), found.events[Columns.EVENT].value_counts(sort=True)
    by_type = ", ".join(f"{name} {n:,}" for name, n in types.iter_rows())
    yield f"{out}: {len(found.items):,} items, {len(found.events):,} events of {users:,} users ({by_type})"
    if (shown := found.impressions) is not None:
        lists, clicks = shown[Columns.RANKING].n_unique(), shown[Columns.CLICKED].sum()
        yield f"{lists:,} lists with {len(shown):,} impressions, {clicks:,} of them clicked"
    read = [name for name in Columns.TEXT if name in found.items.columns]
    rest = [name for name in found.items.columns if name not in (Columns.ITEM, *read)]
    yield f"columns read as text: {', '.join(read) or 'none'}"
    yield f"other columns, for a --template: {', '.join(rest) or 'none'}"
    if found.undescribed:
        yield f"items that nothing describes: {found.undescribed:,}"
    if found.left_out:
        yield "left out: " + ", ".join(f"{n:,} {what}" for what, n in found.left_out.items())
    yield f"next: tailrank validate {shlex.quote(str(out))}"
