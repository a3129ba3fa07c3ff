"""How figures are summed up and printed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeAlias

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tailrank.arrays import Doubles
from tailrank.machine import machine

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Figures: TypeAlias = dict[str, object]


def percentiles(milliseconds: Doubles) -> dict[str, float]:
    """Sum up durations."""
    p50, p99 = np.percentile(milliseconds, [50, 99]).tolist()
    return {"p50_ms": p50, "p99_ms": p99}


def show(figures: Figures, as_json: bool) -> None:
    """Print figures as a table; or as one line of JSON, with the machine and the versions."""
    if as_json:
        typer.echo(json.dumps(figures | machine()))
        return
    columns = {name: dict(_flat(value)) for name, value in figures.items() if isinstance(value, Mapping)}
    for name in figures.keys() - columns.keys():
        typer.echo(f"{name}: {_written(figures[name])}")
    table = Table("", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right")
    for row in dict.fromkeys(row for column in columns.values() for row in column):
        table.add_row(row, *(_written(column.get(row, "")) for column in columns.values()))
    Console().print(table)


def _flat(figures: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        else:
            yield before + name, value


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
