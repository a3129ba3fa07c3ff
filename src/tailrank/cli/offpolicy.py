"""`tailrank offpolicy`: what another policy would have earned, from a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tailrank.cli import options
from tailrank.data.policy_log import PolicyLog
from tailrank.errors import RequestError
from tailrank.evaluation.policy_value import Finding, policy_values
from tailrank.metrics.estimate import Estimate

EXPLAINED: Final = (
    "Below each value is its 95% interval; gain is over what the log earned. size: how many rows of the log "
    "say as much (effective sample size). An estimate is unbiased if rewards depend on nothing else."
)
NAME, WORDS = 18, 9
"""Characters of an estimator's name, and of what it assumes, that stay together on 80 columns."""


def offpolicy(
    log: Annotated[
        Path,
        typer.Option(help="Table with `reward` or `clicked`, `propensity` and `target`; docs/off_policy.md."),
    ],
    columns: options.Columns = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what another policy would have earned, from a log with the chances of what it showed."""
    read = PolicyLog.read(log, options.reading(columns))
    try:
        logged, found = policy_values(read)
    except RequestError as why:
        raise RequestError(f"{log}: {why}") from None
    if as_json:
        typer.echo(json.dumps(_as_json(log, logged, found)))
        return
    console, unit = Console(), "rankings" if read.ranked else "choices"
    users = "" if read.users is None else f" of {len(logged.influence):,} users"
    earned = f"{logged.value:.4f} each ({logged.low:.4f} to {logged.high:.4f})"
    console.print(escape(f"{log}: {len(read):,} {unit}{users}, which earned {earned}"))
    console.print(_table(found))
    for each in found:
        if each.refused is not None:
            console.print(escape(f"{each.estimator.name}: refused: {each.refused}"))
    console.print(EXPLAINED)


def _table(found: list[Finding]) -> Table:
    """Lay out what was found; gains in bold if their interval excludes 0."""
    table = Table(Column("estimator", min_width=NAME), box=SIMPLE_HEAD)
    for heading in ("the target earns", "gain", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("rewards depend on", max_width=WORDS)
    for each in found:
        if each.value is not None and each.gain is not None:
            sure = not each.gain.low <= 0 <= each.gain.high
            gain = f"[bold]{_bounded(each.gain, '+')}[/]" if sure else _bounded(each.gain, "+")
            size = f"{each.value.effective_size:,.0f}"
            table.add_row(each.estimator.name, _bounded(each.value), gain, size, each.estimator.assumes)
    return table


def _bounded(found: Estimate, sign: str = "") -> str:
    """Write a value, and below it its interval."""
    return f"{found.value:{sign}.4f}\n{found.low:{sign}.4f} to {found.high:{sign}.4f}"


def _as_json(log: Path, logged: Estimate, found: list[Finding]) -> dict[str, Any]:
    """Say the same to programs."""
    return {
        "log": str(log),
        "rows": logged.n,
        "users": len(logged.influence),
        "logged": _numbers(logged),
        "estimates": {each.estimator.name: _finding(each) for each in found},
    }


def _finding(found: Finding) -> dict[str, Any]:
    if found.value is None or found.gain is None:
        return {"refused": found.refused}
    about = {"effective_size": found.value.effective_size, "assumes": found.estimator.assumes}
    return {**_numbers(found.value), "gain": _numbers(found.gain), **about}


def _numbers(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "ci95": [found.low, found.high]}
