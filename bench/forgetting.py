"""Tune on old events, go on with new ones, and measure what that costs the old; start again to resume."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from bench import study
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import Tuned, finetune
from tailrank.tuning.saving import save

NEW: Final = 0.2
"""Share of all events that are new: half of it to learn from, a quarter each to stop by and to measure."""

REPLAYS: Final = (1.0, 0.5, 0.0)
"""The first has no new events in its batches."""
OLD: Final = "tuned on old events"


def eras(dataset: Dataset) -> tuple[Split, Split, float]:
    """Split the old events, and all events, so that no encoder learns the targets of either.

    Of the old events each user's last two are held out, of the new ones the latest half.
    """
    since = float(np.quantile(dataset.histories.times, 1 - NEW))
    new = temporal(dataset, test_share=NEW / 4, validation_share=NEW / 4)
    h = dataset.histories
    before = h.offsets[:-1] + np.bincount(h.owners[h.times < since], minlength=len(h))
    old = leave_one_out(dataset.until(before))
    kept = old.train.histories.lengths  # the first events of each user
    at = np.arange(len(h.items)) - h.offsets[:-1][h.owners]
    known = (at < kept[h.owners]) | ((h.times >= since) & (h.times <= new.train.histories.times.max()))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(h.owners[known], minlength=len(h)))])
    learned = Histories(h.items[known], h.types[known], h.times[known], offsets)
    return old, replace(new, train=replace(dataset, histories=learned)), since


def values(dataset: Dataset, vectors: ItemVectors, seed: int) -> study.Values:
    """Give ndcg@10 of each test query of both eras, by each encoder's vectors as the only signal."""
    old, new, since = eras(dataset)
    texts, base = item_texts(dataset.items), TextEncoder.load()

    def tune(domain: Domain, encoder: TextEncoder, replay: float) -> Tuned:
        with progress_bars() as progress:
            return finetune([domain], encoder, FineTuningConfig(replay=replay, seed=seed), progress)

    first = tune(Domain(old, texts, vectors.values), base, 0.0)
    spaces = {"frozen, whitened": study.whitened(vectors), OLD: first.vectors[0]}
    with TemporaryDirectory() as folder:
        save(first, base, Path(folder), {}, merged=False)
        for replay in REPLAYS:
            again = TextEncoder.load(folder)
            domain = Domain(new, texts, first.vectors[0], since)
            spaces[f"then on new ones, replay {replay:g}"] = tune(domain, again, replay).vectors[0]
    return {
        f"{name}/{era}": study.ndcg(study.attention(space, split, seed), split)
        for name, space in spaces.items()
        for era, split in (("old", old), ("new", new))
    }


def main(data: study.Data, name: study.Name, seeds: study.Seeds = "0,1,2") -> None:
    """Store the study of one data set with timestamps."""
    dataset, vectors, about = study.encoded(name, data)
    all_seeds = study.numbers(seeds)
    found = study.collect(
        "forgetting", dataset, all_seeds, lambda seed: {"all": partial(values, dataset, vectors, seed)}
    )
    old, new, _ = eras(dataset)
    rows = []
    for era, split in (("old", old), ("new", new)):
        ways = {key.removesuffix(f"/{era}"): each for key, each in found.items() if key.endswith(f"/{era}")}
        rows += [{"era": era, "queries": len(split.test), **row} for row in study.compared(ways, OLD, split)]
    about |= {"protocol": new.protocol, "seeds": all_seeds, "rows": rows}
    study.store(f"{name}/forgetting.json", about)
