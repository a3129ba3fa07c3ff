"""Tune on two data sets, rank a third that the encoder never learned from; start again to resume."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
import torch

from bench import study
from tailrank.arrays import Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.trainable_encoder import TrainableEncoder

SETS: Final = ("amazon-beauty", "amazon-scientific", "amazon-sports")
QUERIES: Final = 6_000
"""Test queries, at most."""

FROZEN: Final = "frozen, whitened"


def through_head(encoder: TrainableEncoder, vectors: Floats) -> Floats:
    """Put vectors of texts through the head of an encoder whose model is the frozen one."""
    features = {"sentence_embedding": torch.from_numpy(vectors)}
    with torch.no_grad():
        for layer in encoder.head:
            features = layer(features)
    found: Floats = features["sentence_embedding"].numpy()
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(vectors.any(axis=1, keepdims=True), found / np.maximum(length, 1e-12), 0)


def values(sets: dict[str, Dataset], vectors: dict[str, ItemVectors], target: str, seed: int) -> study.Values:
    """Give ndcg@10 of each test query of the target, by vectors as the only signal."""
    domains = [
        Domain(leave_one_out(dataset), item_texts(dataset.items), vectors[name].values)
        for name, dataset in sets.items()
        if name != target
    ]
    with progress_bars() as progress:
        tuned = finetune(domains, TextEncoder.load(), FineTuningConfig(seed=seed), progress)
    found, white = through_head(tuned.encoder, vectors[target].values), study.whitened(vectors[target])
    spaces = {
        FROZEN: white,
        "tuned elsewhere": found,
        "tuned elsewhere, whitened here": study.whitened(found),
        "both, side by side": np.hstack([white, found]) / np.float32(np.sqrt(2)),
    }
    split = leave_one_out(sets[target]).sampled(QUERIES, 0)
    return {name: study.ndcg(study.attention(space, split, seed), split) for name, space in spaces.items()}


def main(data: study.Data, name: study.Name, seeds: study.Seeds = "0,1,2") -> None:
    """Store the study of one data set that is left out."""
    study.chosen([name], SETS)
    sets, vectors = {}, {}
    for each in SETS:
        sets[each], vectors[each], about = study.encoded(each, data)
    split, all_seeds = leave_one_out(sets[name]).sampled(QUERIES, 0), study.numbers(seeds)
    found = study.collect(
        "transfer", sets[name], all_seeds, lambda seed: {"all": partial(values, sets, vectors, name, seed)}
    )
    about |= {"dataset": name, "protocol": split.protocol, "seeds": all_seeds}
    about |= {"learned": [each for each in SETS if each != name]}
    study.store(f"{name}/transfer.json", {**about, "rows": study.compared(found, FROZEN, split)})
