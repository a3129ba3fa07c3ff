"""Measure the server with `tailrank bench`, and keep what it prints for the page."""

from __future__ import annotations

import json
import subprocess
from typing import Annotated, Final

import typer

from bench.study import chosen, store, tailrank

MEASURED: Final = ("http", "throughput", "ingest", "state")


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(MEASURED)}; by default all.")] = None,
) -> None:
    """Measure, and store the results."""
    for name in chosen(names, MEASURED):
        words = ("bench", name, "--json")
        done = tailrank(*words, stdout=subprocess.PIPE)
        done.check_returncode()
        printed = json.loads(done.stdout.splitlines()[-1])
        store(f"serving-{name}.json", {"command": f"tailrank {' '.join(words)}", **printed})
