"""Measure the server with `tailrank bench`, and keep what it prints for the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.study import RESULTS, keep
from tailrank.errors import RequestError

MEASURED: Final = ("http", "throughput", "ingest", "state")


def measure(name: str, *options: str) -> Mapping[str, Any]:
    """Run one measurement; gives what it printed, and its command."""
    command = ["tailrank", "bench", name, *options, "--json"]
    program = Path(sys.executable).with_name("tailrank")
    passive = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run([program, *command[1:]], env=passive, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return {"command": " ".join(command), **json.loads(done.stdout.splitlines()[-1])}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(MEASURED)}; by default all.")] = None,
) -> None:
    """Measure, and store the results."""
    for name in names or MEASURED:
        if name not in MEASURED:
            raise RequestError(f"{name}: choose from {', '.join(MEASURED)}")
        keep(RESULTS / f"serving-{name}.json", measure(name))
