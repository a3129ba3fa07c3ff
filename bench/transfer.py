"""Tune on two data sets, rank a third that the encoder never learned from; start again to resume."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import torch

from bench.compared import alone, attention, differences, figures, remembered
from bench.run import RESULTS, keep, path_of
from tailrank.arrays import Doubles, Floats
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.machine import machine
from tailrank.ranking.fitting import Settings, whitened
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.trainable_encoder import TrainableEncoder

SETS: Final = ("amazon-beauty", "amazon-scientific", "amazon-sports")
QUERIES: Final = 6_000
"""Test queries, at most."""

FROZEN: Final = "frozen, whitened"


def headed(learner: TrainableEncoder, vectors: Floats) -> Floats:
    """Put vectors of texts through the head of a learner whose model is the frozen one."""
    features = {"sentence_embedding": torch.from_numpy(vectors)}
    with torch.no_grad():
        for layer in learner.head:
            features = layer(features)
    found: Floats = features["sentence_embedding"].numpy()
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(vectors.any(axis=1, keepdims=True), found / np.maximum(length, 1e-12), 0)


def values(
    sets: dict[str, Dataset], vectors: dict[str, Floats], target: str, seed: int
) -> dict[str, Doubles]:
    """Give ndcg@10 of each test query of the target, by vectors as the only signal."""
    domains = [
        Domain(leave_one_out(dataset), item_texts(dataset.items), vectors[name])
        for name, dataset in sets.items()
        if name != target
    ]
    with progress_bars() as progress:
        tuned = finetune(domains, TextEncoder.load(), FineTuningConfig(seed=seed), progress)
    found, white = headed(tuned.encoder, vectors[target]), whitened(vectors[target], Settings())
    spaces = {
        FROZEN: white,
        "tuned elsewhere": found,
        "tuned elsewhere, whitened here": whitened(found, Settings()),
        "both, side by side": np.hstack([white, found]) / np.float32(np.sqrt(2)),
    }
    split = leave_one_out(sets[target]).sampled(QUERIES, 0)
    return {name: alone(attention(space, split, seed), split) for name, space in spaces.items()}


def main() -> None:
    """Store the study of one data set that is left out."""
    parser = argparse.ArgumentParser(prog="python -m bench.transfer", description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", choices=SETS, help="of the data set that is left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    sets = {name: load(path_of(name, given.data)) for name in SETS}
    vectors: dict[str, Floats] = {}
    for name, dataset in sets.items():
        encoded, about = item_vectors(dataset, "default", None)
        assert encoded is not None  # noqa: S101 - there is an encoder
        vectors[name] = encoded
    work, split = cache_root() / "transfer" / given.name, leave_one_out(sets[given.name]).sampled(QUERIES, 0)
    found = [
        remembered(work / f"seed-{seed}.npz", lambda seed=seed: values(sets, vectors, given.name, seed))
        for seed in given.seeds
    ]
    rows = []
    for name in found[0]:
        mine, frozen = ([each[way] for each in found] for way in (name, FROZEN))
        row = {"way": name, "figures": figures(mine, split)}
        rows.append(row if name == FROZEN else row | {"difference": differences(mine, frozen, split)})
    said = {"dataset": given.name, "protocol": split.protocol, "seeds": given.seeds, "rows": rows}
    said |= {"learned": [name for name in SETS if name != given.name]}
    said["command"] = f"python -m bench.transfer DATA {given.name}"
    keep(RESULTS / given.name / "transfer.json", {**said, **about, **machine()})


if __name__ == "__main__":
    main()
