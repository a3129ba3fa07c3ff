"""One epoch of the sequence model here and of RecTools' SASRec, on the same events, in turns."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import torch

from bench.run import RESULTS, keep, path_of
from bench.stored import Json
from tailrank.arrays import Floats
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.machine import machine
from tailrank.ranking.fitting import Settings, whitened
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.training import train
from tailrank_peers.sasrec import sasrec_epoch

RECIPE: Final = SASRecConfig(epochs=1, loss="softmax")
REPETITIONS: Final = 2
NOTE: Final = """\
Medians of two epochs each, in turns in one process. Both have two blocks and two heads and the same training
events; a step predicts about as many of them. Sessions are long enough for nine in ten people, as RecTools
pads each to the full length. tailrank also reads the items' text vectors, event types and times, and computes
products in bfloat16 where the processor does; RecTools is as it comes, knows items by their ids alone, and
takes the latest events of each person, from the second on. Events a second counts what each predicts."""


def study(data: Dataset, vectors: Floats | None) -> Json:
    """Time both.

    Parameters
    ----------
    data
        Of which the training events of leave-one-out are taken.
    vectors
        The encoder's vectors, shape (items, d).
    """
    split = leave_one_out(data)
    white = None if vectors is None else whitened(vectors, Settings())
    lengths = split.train.histories.lengths[split.train.histories.lengths > 1]
    length = min(RECIPE.length, int(np.quantile(lengths, 0.9)))
    predicted = np.minimum(lengths - 1, length)  # by RecTools, of each person
    sessions = max(1, round(RECIPE.events / predicted.mean()))
    ours, theirs = [], []
    for _ in range(REPETITIONS):
        ours += train(split.train, None, split.repeats, white, replace(RECIPE, length=length)).seconds
        theirs.append(sasrec_epoch(split, RECIPE.width, length, sessions, "softmax"))
    return {
        **{"dataset": data.name, "d": RECIPE.width, "length": length, "loss": RECIPE.loss},
        **{"batch_events": RECIPE.events, "batch_sessions": sessions, "threads": torch.get_num_threads()},
        **{"tailrank_seconds": median(ours), "rectools_seconds": median(theirs)},
        **{"tailrank_events": len(split.train.histories.items), "rectools_events": int(predicted.sum())},
        **{"runs": {"tailrank": ours, "rectools": theirs}, "note": _note()},
    }


def _note() -> str:
    return f"{NOTE} torch {torch.__version__}, RecTools {version('rectools')}.".replace("\n", " ")


def main() -> None:
    """Measure one data set, and store the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.epoch", description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders; what it lacks is fetched by name")
    parser.add_argument("name", help="a data set")
    given = parser.parse_args()
    data = load(path_of(given.name, given.data))
    vectors, about = item_vectors(data, "default", None)
    said = {"command": f"python -m bench.epoch DATA {given.name}", "seed": RECIPE.seed}
    keep(RESULTS / "epoch.json", {**said, **study(data, vectors), **about, **machine()})


if __name__ == "__main__":
    main()
