"""The sequence model in one process and in two, over seeds: how well it ranks, and how long it takes."""

from __future__ import annotations

import os
from typing import Annotated, Final

import numpy as np
import typer
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bench.study import Json, Seeds, numbers, store, whitened
from tailrank.cli.options import load
from tailrank.data.splits import hold_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.processes import started_processes
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.training import train

NAME: Final = "processes-sequence.json"
SIZES: Final = (1, 2)
EPOCHS: Final = 4


def trained(data: str, seed: int) -> Json:
    """Train as each process does, as long as that helps, four epochs at most."""
    dataset = load(data)
    split = hold_out(dataset)
    with started_processes() as processes:
        with processes.first_alone():
            vectors = ItemVectors.encode(dataset.items, TextEncoder.load(), store=VectorStore())
        config = SASRecConfig(epochs=EPOCHS, seed=seed)
        found = train(split.train, split.validation, split.repeats, whitened(vectors), config)
    return {"ndcg@10": found.ndcg, "epoch_seconds": found.seconds}


def main(
    data: Annotated[str, typer.Argument(help="Data folder or public set.")] = "movielens-100k",
    seeds: Seeds = "0,1,2",
) -> None:
    """Train in each number of processes, and store what it took."""
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    for seed in numbers(seeds):
        for size in SIZES:
            how = LaunchConfig(1, 1, size, run_id="bench", rdzv_backend="c10d", rdzv_endpoint="localhost:0")
            found = elastic_launch(how, trained)(data, seed)
            first, *others = (found[rank] for rank in range(size))
            rows.append({"seed": seed, "processes": size, **first, "load": os.getloadavg()[0]})
            if any(each["ndcg@10"] != first["ndcg@10"] for each in others):
                raise RuntimeError(f"seed {seed}: the processes don't have the same model")
            print(rows[-1], flush=True)
    store(NAME, {"dataset": data, "epochs": EPOCHS, "rows": rows, **compared(rows)})


def compared(rows: list[Json]) -> Json:
    """Compare the best ndcg@10 and the time of epochs; in the first one, processes wait for each other."""
    best = {size: [max(row["ndcg@10"]) for row in rows if row["processes"] == size] for size in SIZES}
    took = {
        size: np.mean([s for row in rows if row["processes"] == size for s in row["epoch_seconds"][1:]])
        for size in SIZES
    }
    return {
        "ndcg@10": {str(size): float(np.mean(found)) for size, found in best.items()},
        "difference by seed": [two - one for one, two in zip(best[1], best[2], strict=True)],
        "times as fast": float(took[1] / took[2]),
    }
