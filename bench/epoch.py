"""One epoch of the sequence model here and of RecTools' SASRec, on the same events, in turns."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from statistics import median
from typing import Final

import numpy as np
import torch

from bench.study import Data, Json, Name, encoded, store, whitened
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.language.vectors import ItemVectors
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.training import train
from tailrank_peers.sasrec import sasrec_epoch

CONFIG: Final = SASRecConfig(epochs=1, loss="softmax")
REPETITIONS: Final = 2


def study(data: Dataset, vectors: ItemVectors) -> Json:
    """Time both on the training events under leave-one-out."""
    split, white = leave_one_out(data), whitened(vectors)
    lengths = split.train.histories.lengths[split.train.histories.lengths > 1]
    length = min(CONFIG.length, int(np.quantile(lengths, 0.9)))
    predicted = np.minimum(lengths - 1, length)  # by RecTools, of each user
    sessions = max(1, round(CONFIG.events / predicted.mean()))
    ours, theirs = [], []
    for _ in range(REPETITIONS):
        ours += train(split.train, None, split.repeats, white, replace(CONFIG, length=length)).seconds
        theirs.append(sasrec_epoch(split, CONFIG.width, length, sessions, "softmax"))
    return {
        **{"seed": CONFIG.seed, "d": CONFIG.width, "length": length, "loss": CONFIG.loss},
        **{"batch_events": CONFIG.events, "batch_sessions": sessions, "threads": torch.get_num_threads()},
        **{"tailrank_seconds": median(ours), "rectools_seconds": median(theirs)},
        **{"tailrank_events": len(split.train.histories.items), "rectools_events": int(predicted.sum())},
        **{"runs": {"tailrank": ours, "rectools": theirs}},
        "note": f"torch {torch.__version__}, RecTools {version('rectools')}.",
    }


def main(data: Data, name: Name) -> None:
    """Measure one data set, and store the seconds."""
    dataset, vectors, about = encoded(name, data)
    store("epoch.json", about | study(dataset, vectors))
