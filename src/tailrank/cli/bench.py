"""`tailrank bench`: figures that anyone can measure again."""

from __future__ import annotations

import typer

from tailrank.benchmarks.http import http
from tailrank.benchmarks.ingest import ingest
from tailrank.benchmarks.latency import latency
from tailrank.benchmarks.state_size import state
from tailrank.benchmarks.throughput import throughput

bench = typer.Typer(help="Measure speed.", no_args_is_help=True)
for command in (latency, http, throughput, ingest, state):
    bench.command()(command)


@bench.callback()
def _bench() -> None:
    """Measure speed; with --json, the last line is one JSON object."""
