"""What studies share: ndcg@10 of each test query, and tables of its means and differences."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.stored import Json
from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.candidates import Scorer
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import per_query, rank_queries
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.fitting import Settings, validation_sample
from tailrank.signals.semantic import SemanticAttention

GROUPS: Final = ("", "tail80", "count=0", "count=1-5")


def masks(split: Split) -> dict[str, Bools]:
    """Name the groups of test queries."""
    groups = target_groups(split.full_train.counts) | {"": np.ones(split.full_train.n_items, bool)}
    return {f"ndcg@10/{name}".rstrip("/"): groups[name][split.test.targets] for name in GROUPS}


def alone(scorer: Scorer, split: Split) -> Doubles:
    """Give ndcg@10 of each test query under one signal, or under a whole ranker."""
    return per_query(rank_queries(scorer, split.test, split))


def attention(vectors: Floats, split: Split, seed: int) -> Scorer:
    """Fit the attention over vectors."""
    asked = validation_sample(split, Settings(seed=seed))
    return SemanticAttention.fit(vectors, len(split.train.event_types), asked, seed)


def remembered(file: Path, make: Callable[[], dict[str, Doubles]]) -> dict[str, Doubles]:
    """Give the values of queries that a file keeps, and make them where it isn't there."""
    if not file.exists():
        found = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{os.getpid()}-{file.name}")
        np.savez(beside, **found)  # type: ignore[arg-type]
        beside.replace(file)  # so that what is kept is whole
        print(file.stem, {name: f"{values.mean():.4f}" for name, values in found.items()}, flush=True)
    with np.load(file) as kept:
        return dict(kept)


def figures(found: Sequence[Doubles], split: Split) -> Json:
    """Average the values of each seed over queries, and over seeds."""
    return {
        metric: {"mean": float(np.mean(seeds)), "seeds": seeds}
        for metric, mask in masks(split).items()
        if (seeds := [float(each[mask].mean()) for each in found]) and mask.any()
    }


def differences(a: Sequence[Doubles], b: Sequence[Doubles], split: Split) -> Json:
    """Bound what the mean of one has over the mean of the other."""
    found = {}
    for metric, mask in masks(split).items():
        one = paired_bootstrap(np.mean(a, axis=0), np.mean(b, axis=0), split.test.users, mask)
        if one:
            found[metric] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found
