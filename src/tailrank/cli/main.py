"""The `tailrank` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import tailrank
from tailrank.cli.bench import bench
from tailrank.cli.config import configure
from tailrank.cli.data import datasets, import_, validate
from tailrank.cli.demo import demo
from tailrank.cli.encode import encode, label
from tailrank.cli.evaluate import evaluate
from tailrank.cli.finetune import finetune, tune
from tailrank.cli.models import rank, train
from tailrank.cli.report import report
from tailrank.cli.retrain import retrain
from tailrank.cli.serve import compact, serve, state_app
from tailrank.errors import TailrankError


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailrank {tailrank.__version__}")
        raise typer.Exit


app = typer.Typer(
    help="Re-rank candidates for one user, now, from the text of items and what the user has just done.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
COMMANDS = (
    *(demo, validate, train, evaluate, report, rank, serve, retrain, compact),
    *(encode, finetune, tune, label),
)
for command in COMMANDS:
    app.command()(command)
app.command("import")(import_)
app.add_typer(bench, name="bench")
app.add_typer(datasets, name="datasets")
app.add_typer(state_app, name="state")


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Options by command; else tailrank.toml of the working folder.")
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Take what stands before the name of a command."""
    configure(context, config)


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, not a traceback."""
    try:
        app()
    except TailrankError as mistake:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(mistake))}", soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
