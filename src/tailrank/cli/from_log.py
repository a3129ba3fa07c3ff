"""What `train` and `retrain` take from the log of a server."""

from __future__ import annotations

from pathlib import Path

import typer

from tailrank.cli import options
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.data.readers import read_tables
from tailrank.errors import RequestError
from tailrank.feedback.attribution import UPSTREAM, impressions_table
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.logged_events import with_logged


def scored_lists(log: Path) -> Lists | None:
    """Read the lists of a log with the scores that requests brought, which have no name; None without any."""
    shown = impressions_table(read_log(log)).drop(Columns.SCORE)
    if shown[UPSTREAM].is_null().all():
        return None
    return Lists.from_frame(shown.rename({UPSTREAM: ""}), str(log))


def load_with_log(data: str, log: Path) -> Dataset:
    """Read a data folder with the events of a log, and say on the error stream how many these are.

    Raises
    ------
    RequestError
        If the events of the folder have no `timestamp`.
    """
    folder = options.data_folder(data)
    items, events = read_tables(folder)
    if Columns.TIMESTAMP not in events.columns:
        raise RequestError(f"--from-log needs events with a `timestamp`, which those of {data} don't have")
    found = with_logged(events, items, read_log(log))
    typer.echo(f"{log}: {found.added:,} events that {data} doesn't have", err=True)
    if found.unknown:
        typer.echo(f"left out: {found.unknown:,} events on items that {data} doesn't have", err=True)
    return Dataset.construct(items, found.events, folder.resolve().name)
