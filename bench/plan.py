"""What to run for how many events and requests: measured costs, and a simulation that was checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from bench.plan_check import compared, free_share
from bench.plan_load import Costs, measured_costs
from bench.plan_page import write
from bench.plan_sizes import SIMULATED, measured_sizes, served
from bench.stored import Studies
from bench.study import RESULTS, Json, chosen, store
from tailrank.benchmarks.subject import Subject, subject
from tailrank.cli.options import Data, load
from tailrank.errors import RequestError

NAME: Final = "plan"
STEPS: Final = ("costs", "sizes", "check", "served", "page")
QUIET: Final = 0.97
"""Share of a core that must be free, or a warning says that the measurement is disturbed."""


def main(
    steps: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(STEPS)}; by default all.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default one is trained.")] = None,
    data: Data = "movielens-100k",
    seconds: Annotated[float, typer.Option(min=1, help="Of each load, of which there are twenty.")] = 12,
    seed: int = 0,
) -> None:
    """Measure what is wanted, and keep it beside what was measured before."""
    kept = Studies(RESULTS).single(NAME) or {}
    wanted = chosen(steps, STEPS)
    if {"check", "served"} & set(wanted) and not {"costs"} & {*wanted, *kept}:
        raise RequestError("the costs of a request are missing: python -m bench plan costs")
    if {"costs", "sizes", "check"} & set(wanted):
        with subject(load(data), model, 1, seed) as it:
            measure(kept, wanted, it, seconds, seed)
    if "served" in wanted:
        costs = Costs.of(kept["costs"])
        rows = [served(rate, costs, kept["costs"]["valkey_us"], seed) for rate in SIMULATED]
        keep(kept, "served", {"seed": seed, "rows": rows})
    if "page" in wanted:
        write()


def measure(kept: Json, wanted: list[str], it: Subject, seconds: float, seed: int) -> None:
    """Measure what is wanted of a model."""
    if "costs" in wanted:
        keep(kept, "costs", {"free_share": free_share(), **measured_costs(it, seed)})
    if "sizes" in wanted:
        keep(kept, "sizes", measured_sizes(it, seed))
    if "check" in wanted:
        check(kept, it, seconds, seed)


def check(kept: Json, it: Subject, seconds: float, seed: int) -> None:
    """Compare the simulation with servers under load, point by point."""
    free = free_share()
    if free < QUIET:
        print(f"others take {1 - free:.0%} of a core: what is measured is disturbed", flush=True)
    rows: list[Json] = []
    for row in compared(it, Costs.of(kept["costs"]), seconds, seed):
        rows.append(row)
        print(row, flush=True)
        keep(kept, "check", {"free_share": free, "seconds": seconds, "seed": seed, "rows": rows})


def keep(kept: Json, name: str, found: Json) -> None:
    """Store what was found beside the rest."""
    kept[name] = found
    parts: Json = {step: kept[step] for step in STEPS if step in kept}
    store(f"{NAME}.json", {"command": f"python -m bench {NAME}", **parts})
