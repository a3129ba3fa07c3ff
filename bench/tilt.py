"""How many test targets an item has by its training count: what a protocol tells of its own targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from bench.study import Data, Json, path_of, store
from tailrank.cli.options import load
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out, temporal

SETS: Final[tuple[tuple[str, Callable[[Dataset], Split]], ...]] = (
    ("amazon-beauty", leave_one_out),
    ("amazon-sports", leave_one_out),
    ("amazon-scientific", leave_one_out),
    ("movielens-small-plots", leave_one_out),
    ("movielens-small-plots", partial(temporal, per_user=30)),
)
HIGHEST: Final = 8
"""Training count up to which items are told apart."""


def tilt(split: Split) -> Json:
    """Count items and test targets by the item's training count."""
    counts = split.full_train.counts
    targets = np.bincount(split.test.targets, minlength=len(counts))
    rows = [
        {"count": n, "items": int((counts == n).sum()), "targets": int(targets[counts == n].sum())}
        for n in range(HIGHEST + 1)
    ]
    return {
        "dataset": split.full_train.name,
        "protocol": split.protocol.partition(",")[0],
        "least_count": split.least_count,
        "items": len(counts),
        "queries": len(split.test),
        "below": int(targets[counts < split.least_count].sum()),
        "rows": rows,
    }


def main(data: Data) -> None:
    """Store the tilt of every set."""
    store("tilt.json", {"sets": [tilt(split(load(path_of(name, data)))) for name, split in SETS]})
