"""`tailrank bench`: figures that anyone can measure again."""

from __future__ import annotations

import typer

from tailrank.cli.benches.http import http
from tailrank.cli.benches.ingest import ingest
from tailrank.cli.benches.latency import latency
from tailrank.cli.benches.state import state
from tailrank.cli.benches.throughput import throughput

bench = typer.Typer(help="Measure speed.", no_args_is_help=True)
for command in (latency, http, throughput, ingest, state):
    bench.command()(command)


@bench.callback()
def _bench() -> None:
    """Measure speed; with --json, the last line is one JSON object."""
