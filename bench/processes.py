"""Fine-tuning in one process and in two: the same losses, and how many texts a second."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bench.study import Json, store
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.public import PUBLIC, fetch
from tailrank.data.readers import read_events, read_items
from tailrank.data.splits import hold_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.processes import started_processes
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain, Mixture
from tailrank.tuning.finetuning import finetune

NAME: Final = "processes.json"
SIZES: Final = (1, 2)
ITEMS: Final = 1_000
BATCHES: Final = (16, 128)
STEPS: Final = 5
CONFIG: Final = FineTuningConfig(method="full", loss="next-item", steps=STEPS, every=STEPS, context=4)


class Clock:
    """Notes the loss, the seconds by the clock and those of this process after each step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.clock: list[float] = []
        self.processor: list[float] = []

    def start(self, settings: object) -> None:
        """Begin."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note a step."""
        if "loss" in metrics:
            self.losses.append(metrics["loss"])
            self.clock.append(time.perf_counter())
            self.processor.append(time.process_time())

    def finish(self, succeeded: bool) -> None:
        """End."""


def trained(data: str, batch: int) -> Json:
    """Train as each process does; the first step, which also warms up, isn't timed."""
    source = fetch(data) if data in PUBLIC else Path(data)
    items, events = read_items(source).head(ITEMS), read_events(source)
    dataset = Dataset.construct(items, events.join(items, on=Columns.ITEM, how="semi"))
    encoder, clock, config = TextEncoder.load(), Clock(), replace(CONFIG, batch=batch)
    texts = item_texts(dataset.items)
    with started_processes() as processes:
        with processes.first_alone():
            domain = Domain(hold_out(dataset), texts, VectorStore().vectors(texts, encoder))
        finetune([domain], encoder, config, trackers=[clock])
    mixture = Mixture([domain], config)
    drawn = [mixture.draw(np.random.default_rng([config.seed, step, 0])) for step in range(1, STEPS)]
    return {
        "losses": clock.losses,
        "texts": sum(len(batch.items) for batch in drawn),
        "s": clock.clock[-1] - clock.clock[0],
        "cpu_s": clock.processor[-1] - clock.processor[0],
    }


def compared(data: str, batch: int) -> Json:
    """Train with batches of a size in each number of processes."""
    runs: list[list[Json]] = []
    for size in SIZES:
        how = LaunchConfig(1, 1, size, run_id="bench", rdzv_backend="c10d", rdzv_endpoint="localhost:0")
        found = elastic_launch(how, trained)(data, batch)
        runs.append([found[rank] for rank in range(size)])
    [one], two = runs
    return {
        "batch": batch,
        "texts a step": one["texts"] / (STEPS - 1),
        "runs": runs,
        "largest difference of a loss": float(np.abs(np.subtract(one["losses"], two[0]["losses"])).max()),
        "texts a second": [one["texts"] / one["s"], one["texts"] / max(each["s"] for each in two)],
        "times as many texts a second": one["s"] / max(each["s"] for each in two),
        "times as many core-seconds": sum(each["cpu_s"] for each in two) / one["cpu_s"],
        "load": os.getloadavg()[0],
    }


def main(data: Annotated[str, typer.Argument(help="Data folder or public set.")] = "movielens-100k") -> None:
    """Train in each number of processes, and store what it took."""
    os.environ["OMP_NUM_THREADS"] = "1"
    found = [compared(data, batch) for batch in BATCHES]
    store(NAME, {"dataset": data, "items": ITEMS, "seed": CONFIG.seed, "runs": found})
