"""Fair grounds of a data set, and how variants of a ranker do on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from bench.study import Json
from tailrank.arrays import Bools, Doubles
from tailrank.data.cold_items import cold_items, natural_protocol
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.metrics.full_ranking import Model, Outcome, per_query, scored
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap

FAIR: Final = "fair ground"
COLD: Final = "cold items"
GROUNDS: Final = (FAIR, COLD)
WORDS: Final = "TF-IDF only"
"""The ranker without a language model."""

FROZEN: Final = "frozen"
"""The ranker with an encoder as it is, to compare with one that has a tuned head as well."""

COMPARED: Final = ("ndcg@10", "ndcg@10/tail80", "ndcg@10/cold", "ndcg@10/warm")
"""Metrics whose differences are bounded."""

PER_USER: Final = 30


def fair_splits(dataset: Dataset, seed: int) -> dict[str, Split]:
    """Split by time or, without times, leave one out; then also make the items cold that the seed draws."""
    by_time = natural_protocol(dataset) == "temporal"
    split = temporal(dataset, PER_USER) if by_time else leave_one_out(dataset)
    return {FAIR: split, COLD: cold_items(split, seed)}


def fair_ndcg(scorer: Model, split: Split) -> Doubles:
    """Give ndcg@10 of each test query with a target on fair ground, among the items of fair ground."""
    outcomes = [
        Outcome.among(split.fair_items, scores, batch.targets)
        for batch, scores in scored(scorer, split.test, split)
    ]
    return per_query(Outcome.from_batches(outcomes))


class Ground:
    """The test queries of one split a seed, as far as their targets are on fair ground.

    Queries of all seeds are resampled together, those of one user as one, so seeds may have other queries.

    Parameters
    ----------
    splits
        Of each seed.
    """

    def __init__(self, splits: Sequence[Split]) -> None:
        self.split = splits[0]
        tests = [split.test.take(split.fair_items[split.test.targets]) for split in splits]
        self.users = np.concatenate([test.users for test in tests])
        self.groups = [_groups(split, test) for split, test in zip(splits, tests, strict=True)]

    def about(self) -> Json:
        """Say what is measured: the protocol, and the queries of the first seed behind each metric."""
        queries = {metric: int(rows.sum()) for metric, rows in self.groups[0].items() if rows.any()}
        return {"protocol": self.split.protocol, "least_count": self.split.least_count, "queries": queries}

    def row(self, values: Sequence[Doubles], against: Mapping[str, Sequence[Doubles]]) -> Json:
        """Give the metrics of a variant, and how it differs from others, from the values of each seed."""
        metrics = {
            metric: {"mean": float(np.mean(seeds)), "seeds": seeds}
            for metric in self.about()["queries"]
            if (seeds := self._means(values, metric))
        }
        return {
            "metrics": metrics,
            "difference": {name: self._differences(values, other) for name, other in against.items()},
        }

    def _means(self, values: Sequence[Doubles], metric: str) -> list[float]:
        pairs = zip(values, self.groups, strict=True)
        return [float(found[groups[metric]].mean()) for found, groups in pairs if groups[metric].any()]

    def _differences(self, a: Sequence[Doubles], b: Sequence[Doubles]) -> Json:
        one, other = np.concatenate(a), np.concatenate(b)
        found: Json = {}
        for metric in [name for name in COMPARED if name in self.groups[0]]:
            rows = np.concatenate([groups[metric] for groups in self.groups])
            if pair := paired_bootstrap(one, other, self.users, rows):
                found[metric] = {"mean": pair.mean, "ci95": [pair.low, pair.high]}
        return found


def _groups(split: Split, test: Queries) -> dict[str, Bools]:
    """Mark the queries behind each metric."""
    groups = target_groups(split.full_train.counts, split.cold)
    by_target = {f"ndcg@10/{name}": items[test.targets] for name, items in groups.items()}
    return {"ndcg@10": np.ones(len(test), dtype=bool), **by_target}
