"""`tailrank bench`: parses options, prints what `tailrank.benchmarks` measures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tailrank.benchmarks import http as http_benchmark
from tailrank.benchmarks import ingest as ingest_benchmark
from tailrank.benchmarks import latency as latency_benchmark
from tailrank.benchmarks import state_size
from tailrank.benchmarks import throughput as throughput_benchmark
from tailrank.benchmarks.subject import fit_reranker, subject
from tailrank.benchmarks.timing import Measurements
from tailrank.cli.options import Data, Seed, load
from tailrank.machine import machine
from tailrank.ranking.reranker import Reranker

Model = Annotated[Path | None, typer.Option(help="Model folder of the same data; by default one is trained.")]
Epochs = Annotated[
    int, typer.Option("--sequence-epochs", min=0, help="Of the sequence model that is trained; 0: without.")
]
Requests = Annotated[int, typer.Option(min=5, help="Rankings that are timed, of each size.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

bench = typer.Typer(no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure speed; with --json, the last line is one JSON object."""


@bench.command(help=latency_benchmark.__doc__)
def latency(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time the library."""
    dataset = load(data)
    reranker = fit_reranker(dataset, seed, sequence_epochs) if model is None else Reranker.load(model)
    _show(latency_benchmark.measure(dataset, reranker, seed), as_json)


@bench.command(help=http_benchmark.__doc__)
def http(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    requests: Requests = 5_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time rankings over HTTP."""
    with subject(load(data), model, sequence_epochs, seed) as it:
        _show(http_benchmark.measure(it, requests, seed), as_json)


@bench.command(help=throughput_benchmark.__doc__)
def throughput(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    seconds: Annotated[float, typer.Option(min=1, help="Of each measurement.")] = 15,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Count rankings a second."""
    throughput_benchmark.check_wrk()
    with subject(load(data), model, sequence_epochs, seed) as it:
        _show(throughput_benchmark.measure(it, seconds, seed), as_json)


@bench.command(help=ingest_benchmark.__doc__)
def ingest(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    events: Annotated[
        int, typer.Option(min=100, help="Events in batches; a fifth as many singly; a tenth for freshness.")
    ] = 100_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Count events a second."""
    with subject(load(data), model, sequence_epochs, seed) as it:
        _show(ingest_benchmark.measure(it, events, seed), as_json)


@bench.command(help=state_size.__doc__)
def state(
    data: Data = "movielens-100k",
    model: Model = None,
    sequence_epochs: Epochs = 1,
    users: Annotated[int, typer.Option(min=1_000, help="Users with 50 events each.")] = 1_000_000,
    requests: Requests = 5_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Measure the state with many users."""
    with subject(load(data), model, sequence_epochs, seed) as it:
        _show(state_size.measure(it, users, requests, seed), as_json)


def _show(found: Measurements, as_json: bool) -> None:
    """Print measurements as a table; or as one line of JSON, with the machine and the versions."""
    if as_json:
        typer.echo(json.dumps({**found, **machine()}))
        return
    columns = {name: dict(_flat(value)) for name, value in found.items() if isinstance(value, Mapping)}
    for name in found.keys() - columns.keys():
        typer.echo(f"{name}: {_written(found[name])}")
    table = Table("", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right")
    for row in dict.fromkeys(row for column in columns.values() for row in column):
        table.add_row(row, *(_written(column.get(row, "")) for column in columns.values()))
    Console().print(table)


def _flat(found: Measurements, before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        else:
            yield before + name, value


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
