"""`tailrank experiments`: ship a new ranking, hold on, or roll it back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from tailrank.cli.options import comma_separated
from tailrank.errors import RequestError
from tailrank.feedback.assignment import LEAST_WEIGHT, MOST_WEIGHT
from tailrank.feedback.experiment_log import read_experiment
from tailrank.feedback.experiment_report import reported
from tailrank.feedback.experiments import Decision, Guardrail, Look, decide, in_words, looks
from tailrank.feedback.live_outcomes import read_comparison

COLOURS: Final = {
    **{"passed": "green", "unclear": "yellow", "failed": "bold red"},
    **{"ship": "bold green", "hold": "bold yellow", "roll back": "bold red"},
}


def experiments(
    log: Annotated[
        Path,
        typer.Option(
            help="Folder of `serve --log-impressions`, or a table with a row a ranking (docs/experiments.md)."
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(help="What to decide by, more being better: a column; of a folder, a type of event."),
    ] = "clicks",
    guardrail: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC>=DIFFERENCE",
            help="What must not get worse by more, such as 'tail_share>=-0.01'; may be repeated.",
        ),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[=WEIGHT],NAME[=WEIGHT]",
            help="How users were split, the control first; by default evenly, with a variant called control. "
            "Of a folder: which two models; by default those that were compared last.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decide an experiment by its log: ship, hold or roll back, with reasons, as often as one likes."""
    guardrails = [Guardrail.parse(each) for each in guardrail or ()]
    bounded, shares = [each.metric for each in guardrails], None if variants is None else _weights(variants)
    about: dict[str, Any] = {}
    if log.is_dir():
        which, outcomes = read_comparison(log, metric, bounded, shares)
        about = asdict(which)
    else:
        outcomes = read_experiment(log, metric, bounded, shares)
    decision, days = decide(outcomes, metric, guardrails), list(looks(outcomes, metric, guardrails))
    if as_json:
        typer.echo(json.dumps(about | reported(decision, days)))
        return
    console = Console(highlight=False)
    if about:
        console.print(Text("{control} and {challenger} ({compare}): {rankings:,} rankings".format(**about)))
    _print(console, decision, days, outcomes.names)


def _weights(text: str) -> dict[str, float]:
    """Read `control=9,treatment=1`; a weight that isn't given is 1."""
    found = {}
    for each in comma_separated(text):
        name, given, weight = each.partition("=")
        try:
            found[name.strip()] = float(weight) if given else 1.0
        except ValueError:
            found[name.strip()] = math.nan
        if not LEAST_WEIGHT <= found[name.strip()] <= MOST_WEIGHT:
            raise RequestError(
                f"--variants {text}: {each!r}: write a name and a weight from {LEAST_WEIGHT:g} to "
                f"{MOST_WEIGHT:g}"
            )
    return found


def _print(console: Console, decision: Decision, days: Sequence[Look], names: tuple[str, str]) -> None:
    for finding in (*decision.gates, *decision.guardrails):
        status = Text(f"  {finding.status:<7}", COLOURS[finding.status])
        console.print(Text.assemble(status, f"  {finding.reason}"), soft_wrap=True)
    effect = decision.effect
    console.print(_by_day(effect.metric, days))
    means = f"{effect.control:.4g} of {names[0]}, {effect.treatment:.4g} of {names[1]}"
    console.print(Text(f"{effect.metric}: {means}"))
    console.print(Text(decision.verdict, COLOURS[decision.verdict]))
    for reason in decision.reasons:
        console.print(Text(f"  {reason}"), soft_wrap=True)


def _by_day(metric: str, days: Sequence[Look]) -> Table:
    """Lay out what one would have seen at the end of each day."""
    table = Table(Column("until", no_wrap=True), box=SIMPLE_HEAD)
    table.add_column("rankings", justify="right")
    table.add_column(f"difference in {escape(metric)}")
    for day in days:
        date = datetime.fromtimestamp(day.until - 1, UTC).date()
        table.add_row(str(date), f"{day.rankings:,}", in_words(day.difference))
    return table
