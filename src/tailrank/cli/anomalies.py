"""`tailrank anomalies`, and the option of `train` that leaves out what it finds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.formats import read_file
from tailrank.errors import DataError
from tailrank.feedback.alerts import Alert
from tailrank.feedback.bots import TOO_MANY, Anomalies, find_anomalies, without_users
from tailrank.feedback.event_volume import volume_shifts
from tailrank.files import written_file
from tailrank.reporting import step

FOUND: Final = "anomalies"
NOBODY: Final = "nobody"
SHOWN: Final = 20
"""Reasons that are printed."""

LeaveOut = Annotated[
    str,
    typer.Option(
        metavar="anomalies|nobody|FILE",
        help="Users to learn nothing from: those that `tailrank anomalies` finds, or those of its --out.",
    ),
]


def anomalies(
    data: options.Data,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV file to write: a row for each user and reason.")
    ] = None,
    columns: options.Columns = None,
) -> None:
    """List users who look like programs or made-up profiles, each with the reason."""
    dataset = options.load(data, options.reading(columns))
    found = _find(dataset)
    alerts = volume_shifts(dataset.histories.times) if dataset.clock == "timestamp" else []
    if out is not None:
        try:
            with written_file(out) as new:
                found.frame().write_csv(new)
        except OSError as why:
            raise DataError(f"{out}: can't be written ({why.strerror}). Name another file.") from None
    if as_json:
        suspicions = found.frame().to_dicts()
        about = {"data": found.data, "n_users": found.n_users, "users": found.users, "suspicions": suspicions}
        typer.echo(json.dumps(about | {"alerts": [alert.as_dict() for alert in alerts]}))
        return
    _print(found, alerts)


def leave_out_users(dataset: Dataset, users: str) -> Dataset:
    """Leave users out as `LeaveOut` says, and say how many on the error stream.

    Raises
    ------
    DataError
        If a file that it names can't be read, or names no user of the data set.
    """
    if users == NOBODY:
        return dataset
    names = _anomalous(dataset) if users == FOUND else _listed(Path(users), dataset)
    kept = without_users(dataset, names)
    left, events = dataset.n_users - kept.n_users, len(dataset.histories.items) - len(kept.histories.items)
    why = " (see `tailrank anomalies`; --leave-out nobody keeps them)" if left and users == FOUND else ""
    typer.echo(
        f"left out of learning: {left:,} of {dataset.n_users:,} users, {events:,} events{why}", err=True
    )
    return kept


def _anomalous(dataset: Dataset) -> list[str]:
    """Find users to leave out, unless they are too many."""
    found = _find(dataset)
    if not found.too_many:
        return found.users
    n = f"{len(found.users):,} of {found.n_users:,} users look like programs or made-up profiles"
    typer.echo(f"warning: {n}, more than {TOO_MANY:.0%}, so it is the log that is unusual", err=True)
    return []


def _find(dataset: Dataset) -> Anomalies:
    with progress_bars() as progress, step(progress, f"looking for anomalies in {dataset.name}"):
        return find_anomalies(dataset)


def _listed(file: Path, dataset: Dataset) -> list[str]:
    """Read the users that a file lists."""
    if not file.is_file():
        raise DataError(f"--leave-out {file}: no such file. Give anomalies, nobody, or a file of users.")
    rows, _ = read_file(file, None, [Columns.USER])
    if Columns.USER not in rows.columns:
        raise DataError(
            f"--leave-out {file}: no column {Columns.USER}. Write a user id a row under that name."
        )
    names: list[str] = rows[Columns.USER].cast(pl.String).drop_nulls().to_list()
    if names and not dataset.user_ids.is_in(names).any():
        raise DataError(f"--leave-out {file}: names no user of {dataset.name}. Is it of another data set?")
    return names


def _print(found: Anomalies, alerts: list[Alert]) -> None:
    console, users = Console(), len(found.users)
    share = f"{users:,} of {found.n_users:,} users ({users / found.n_users:.2%})"
    console.print(f"{escape(found.data)}: {share} look like programs or made-up profiles")
    for alert in alerts:
        console.print(escape(str(alert)))
    if not found.suspicions:
        return
    kinds = Counter(each.kind for each in found.suspicions)
    console.print(", ".join(f"{kind}: {n:,}" for kind, n in kinds.most_common()))
    table = Table("user", "kind", "reason", box=SIMPLE_HEAD)
    for each in found.suspicions[:SHOWN]:
        table.add_row(escape(each.user_id), each.kind, escape(str(each)))
    console.print(table)
    if len(found.suspicions) > SHOWN:
        console.print(f"and {len(found.suspicions) - SHOWN:,} more: --out FILE or --json lists all")
