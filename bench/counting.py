"""Counting pairs of items as events grow: all at once, and in bounded memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import polars as pl
import typer

from bench.growth import exponent
from bench.stored import Studies
from bench.study import RESULTS, Json, alone, peak_mb, store
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, flat_offsets
from tailrank.memory import parse_size
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.out_of_core import OutOfCore

NAME: Final = "counting"
COMMAND: Final = "python -m bench counting --size EVENTS --memory SIZE"
SIZES: Final = (1_000_000, 3_000_000, 10_000_000)
ITEMS: Final = 100_000
PER_USER: Final = 30
"""Events of a user, on average; geometric, and 500 at most."""

POWER: Final = 0.9
"""Of the rank of an item that its share of the events falls with."""

MOST_EXACT: Final = 2
"""Sizes through which any power passes."""

DRIFT: Final = 0.2
"""Share of the catalogue by which the ranks of items have moved at the end."""


def world(n_events: int) -> Dataset:
    """Draw about so many events: few items are popular, and later ones are others."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.geometric(1 / PER_USER, n_events // PER_USER), 500)
    n = int(lengths.sum())
    shares = np.cumsum(np.arange(1, ITEMS + 1) ** -POWER)
    items = np.searchsorted(shares, shares[-1] * rng.random(n)).astype(np.int32)
    times = np.sort(rng.random(n).astype(np.float32)) * 1e7  # users come one after the other
    items = (items + (DRIFT * ITEMS / 1e7 * times).astype(np.int32)) % ITEMS
    histories = Histories(items, np.zeros(n, np.int32), times.astype(np.float64), flat_offsets(lengths))
    catalogue = pl.DataFrame({"item_id": np.arange(ITEMS).astype(str)})
    return Dataset(f"{n_events:,} events", catalogue, pl.Series([""]), histories, ("event",), "timestamp")


def measured(n_events: int, memory: int | None) -> Json:
    """Count both signals; gives seconds of the processor and by the clock, and memory at its peak."""
    dataset = world(n_events)
    found: Json = {"events": n_events, "memory": memory}
    with tempfile.TemporaryDirectory() as folder:
        counting = None if memory is None else OutOfCore(memory, Path(folder))
        for kind in (ItemKNN, CoVisitation):
            processor, clock = time.process_time(), time.perf_counter()
            kind.from_events(dataset, counting)
            found[f"{kind.name} cpu_s"] = time.process_time() - processor
            found[f"{kind.name} s"] = time.perf_counter() - clock
            found[f"{kind.name} peak_mb"] = peak_mb()
    return found


def summary(points: list[Json]) -> Json:
    """Fit how seconds grow in each memory, and compare with counting all at once."""
    whole = {point["events"]: point for point in points if point["memory"] is None}
    bounded = [point for point in points if point["memory"] is not None]
    by_memory = {
        memory: [point for point in bounded if point["memory"] == memory]
        for memory in sorted({point["memory"] for point in bounded})
    }
    return {
        "exponents": {
            memory: exponent([point["events"] for point in some], [seconds(point) for point in some])
            for memory, some in by_memory.items()
            if len(some) > MOST_EXACT
        },
        "ratios": [
            {
                "events": point["events"],
                "memory": point["memory"],
                "time of whole": seconds(point) / seconds(whole[point["events"]]),
                "memory of whole": peak(point) / peak(whole[point["events"]]),
            }
            for point in bounded
            if point["events"] in whole
        ],
    }


def seconds(point: Json) -> float:
    """Sum the processor's seconds of both signals."""
    return float(sum(value for key, value in point.items() if key.endswith("cpu_s")))


def peak(point: Json) -> float:
    """Give the memory at the peak of both signals, in MB."""
    return float(max(value for key, value in point.items() if key.endswith("peak_mb")))


def main(
    size: Annotated[list[int] | None, typer.Option(help="Events; by default 1, 3 and 10 million.")] = None,
    memory: Annotated[str, typer.Option(help="Bound of a process.")] = "750MB",
    whole: Annotated[bool, typer.Option(help="Count all at once as well.")] = True,
) -> None:
    """Measure sizes, and keep them beside those that were measured before."""
    before = Studies(RESULTS).single(NAME)
    known = {(p["events"], p["memory"]): p for p in (before["points"] if before else [])}
    for n in size or SIZES:
        for bound in (None, parse_size(memory)) if whole else (parse_size(memory),):
            known[n, bound] = alone(measured, n, bound)
            print(known[n, bound], flush=True)
            points = sorted(known.values(), key=lambda p: (p["events"], p["memory"] or 0))
            store(f"{NAME}.json", {"command": COMMAND, **summary(points), "points": points})
