"""How long learning from one outcome takes: a list of ten, 32 corrections; two builds take turns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench.sidebyside.lines import NEW, OLD, Line
from bench.sidebyside.side import ROOT, Side
from bench.study import Json, store

LINES: Final = (
    Line("processor time, µs", "cpu_us", 30, judged="new"),
    Line("the least of a pass, µs", "least_cpu_us", 30, judged="new"),
    Line("processor time, old and new", "cpu_us"),
    Line("by the clock, µs", "clock_us", judged="new"),
    Line("by the clock, old and new", "clock_us"),
)


def main(
    before: Annotated[Path, typer.Argument(metavar="OLD", help="Checkout to compare with.")],
    now: Annotated[Path, typer.Argument(metavar="NEW", help="The checkout itself.")] = ROOT,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each build has its turn.")] = 5,
    passes: Annotated[int, typer.Option(min=1, help="Over 500 outcomes, in each round.")] = 20,
) -> None:
    """Measure, and store the results."""
    sides, found = [Side(OLD, before), Side(NEW, now)], list[Json]()
    load = os.getloadavg()[0]
    for nth in range(rounds):
        found.append({side.name: side.probe("outcome", passes=passes) for side in sides[:: 1 - nth % 2 * 2]})
    sums = [[np.array(each[name].pop("sums")) for each in found] for name in (OLD, NEW)]
    apart = max(float(abs(old - new).max() / abs(old).max()) for old, new in zip(*sums, strict=True))
    lines = [line.summary(found) for line in LINES]
    for line in lines:
        print(line, flush=True)
    about: Json = {"command": "python -m bench outcome OLD", "load": load, "sums_apart": apart}
    store("outcome.json", {**about, "lines": lines, "rounds": found})
