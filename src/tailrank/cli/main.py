"""The `tailrank` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

import tailrank
from tailrank.cli.config import configure
from tailrank.cli.lazy import LazyCommand
from tailrank.errors import TailrankError

COMMANDS: Final = (
    LazyCommand(
        "demo",
        "demo:demo",
        "Fetch a data set, fit, measure with and without the language model, and show one user's lists.",
    ),
    LazyCommand("validate", "data:validate", "Check a data folder; exit code 1 when a check fails."),
    LazyCommand(
        "train",
        "models:train",
        "Fit a model on all events of a data folder; an interrupted training of the sequence model goes on.",
    ),
    LazyCommand(
        "evaluate",
        "evaluate:evaluate",
        "Measure models on held-out events: full ranking, head and tail, with intervals.",
    ),
    LazyCommand(
        "report", "report:report", "Show two evaluations on one page, with what differs between them."
    ),
    LazyCommand(
        "offpolicy",
        "offpolicy:offpolicy",
        "Say what another policy would have earned, from a log with the chances of what it showed.",
    ),
    LazyCommand(
        "simulate",
        "simulate:simulate",
        "Show lists to simulated users, and count the clicks: to choose settings before launch.",
    ),
    LazyCommand("rank", "models:rank", "Rank candidates for one user."),
    LazyCommand(
        "rank-all",
        "rank_all:rank_all",
        "Rank the candidates of many users; an interrupted run goes on where it was.",
    ),
    LazyCommand(
        "rephrase",
        "rephrase:rephrase",
        "Have a generative model say explanations in other words, checked; an interrupted run goes on.",
    ),
    LazyCommand("rules", "rules:app", "Rules of the business: try them on real items."),
    LazyCommand("serve", "serve:serve", "Serve a model over HTTP: events in, rankings out."),
    LazyCommand(
        "consume",
        "consume:consume",
        "Store events of a stream, each once, until stopped; what a killed one had begun is done again.",
    ),
    LazyCommand(
        "retrain",
        "retrain:retrain",
        "Fit the model in service again with new events, if that ranks no worse. Exit status 3: it stays.",
    ),
    LazyCommand(
        "models", "registry:app", "Versions of a model: list them, promote one, roll back to the one before."
    ),
    LazyCommand(
        "impressions",
        "impressions:impressions",
        "Join what a server logged, rankings and events, into the impressions of a data folder.",
    ),
    LazyCommand(
        "compact",
        "serve:compact",
        "Rewrite a state folder: a third smaller, without expired events and deleted bytes.",
    ),
    LazyCommand(
        "anomalies",
        "anomalies:anomalies",
        "List users who look like programs or made-up profiles, each with the reason.",
    ),
    LazyCommand(
        "encode",
        "encode:encode",
        "Encode the items' texts ahead of time; only new or changed texts cost anything.",
    ),
    LazyCommand(
        "finetune",
        "finetune:finetune",
        "Tune an encoder on behaviour; an interrupted run goes on. Exit status 3: it learned nothing.",
    ),
    LazyCommand(
        "tune",
        "finetune:tune",
        "Search for the settings that tune best; it can go on later. Exit status 3: nothing was learned.",
    ),
    LazyCommand(
        "teach",
        "teach:teach",
        "Let a larger model say offline which items go together; an interrupted run goes on.",
    ),
    LazyCommand(
        "label",
        "encode:label",
        "List the items whose description would be used most, among those with a short text or none.",
    ),
    LazyCommand(
        "enrich",
        "enrich:enrich",
        "Have a generative model describe items with poor texts, checked; an interrupted run goes on.",
    ),
    LazyCommand(
        "transcribe",
        "transcribe:transcribe",
        "Write down what is said in sounds and films, as a text of their items; an interrupted run goes on.",
    ),
    LazyCommand(
        "experiments",
        "experiments:experiments",
        "Decide an experiment by its log: ship, hold or roll back, with reasons, as often as one likes.",
    ),
    LazyCommand(
        "screen", "screen:app", "Hold items back whose texts a person should see first: docs/safety.md."
    ),
    LazyCommand("task", "task:app", "Label texts by a task of your own: docs/tasks.md."),
    LazyCommand(
        "monitor",
        "monitor:app",
        "Watch a stream of dated texts, and be told if something surges: docs/monitor.md.",
    ),
    LazyCommand(
        "support",
        "support:app",
        "Answer customers from a FAQ, and hand over what is unclear: docs/support.md.",
    ),
    LazyCommand("import", "data:import_", "Turn an export of Metarank or Gorse into a data folder."),
    LazyCommand("bench", "bench:bench", "Measure speed; with --json, the last line is one JSON object."),
    LazyCommand(
        "docs", "docs:docs", "Show this documentation in a browser, until stopped; it needs no network."
    ),
    LazyCommand("datasets", "data:datasets", "Public data sets: list them, get them."),
    LazyCommand("state", "serve:state_app", "What a server knows of its users."),
)


class Commands(TyperGroup):
    """All of them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"commands": {command.name: command for command in COMMANDS}})


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailrank {tailrank.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    help="Re-rank candidates for one user, now, from the text of items and what the user has just done.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


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
        Console(stderr=True, emoji=False).print(f"[bold red]error:[/] {escape(str(mistake))}", soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
