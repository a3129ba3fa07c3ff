"""Metrics of several orders of the same lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles
from tailrank.data.dataset import Dataset
from tailrank.evaluation.occasions import Occasion
from tailrank.evaluation.results import Comparison, Ground
from tailrank.metrics.beyond_accuracy import exposure
from tailrank.metrics.beyond_accuracy import list_metrics as catalogue_metrics
from tailrank.metrics.lists import ListMetrics, list_metrics
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.ranking import TOP
from tailrank.metrics.significance import paired_bootstrap

METRICS: Final = {"ndcg@10": "ndcg", "recall@10": "recall", "mrr": "reciprocal_rank"}


@dataclass(frozen=True)
class ListMeter:
    """Measures orders of lists by what users chose.

    Attributes
    ----------
    users
        Whom each list is for, shape (lists,).
    occasions
        What each user chose.
    dataset
        Says which items are popular.
    seed
        Of the intervals.
    """

    users: Sequence[str]
    occasions: Sequence[Occasion]
    dataset: Dataset
    seed: int

    def ground(
        self, orders: Mapping[str, Sequence[Sequence[str]]], milliseconds: Mapping[str, float]
    ) -> Ground:
        """Measure every order, and compare the first one with each other."""
        groups, counts = self._groups(), self.dataset.counts
        values = {
            name: [self._metrics(*each) for each in zip(order, self.occasions, strict=True)]
            for name, order in orders.items()
        }
        tops = {name: self._top(order) for name, order in orders.items()}
        gains = {name: np.array([each.ndcg for each in found]) for name, found in values.items()}
        models = {
            name: {
                **{
                    metric: float(np.mean([getattr(each, of) for each in found]))
                    for metric, of in METRICS.items()
                },
                **{f"ndcg@10/{group}": _mean(gains[name][rows]) for group, rows in groups.items()},
                **catalogue_metrics(tops[name], counts),
                "rank_ms_per_user": milliseconds.get(name),
            }
            for name, found in values.items()
        }
        return Ground(
            users=len(set(self.users)),
            queries=len(self.occasions),
            items=self.dataset.n_items,
            targets={name: int(rows.sum()) for name, rows in groups.items()},
            models=models,
            comparisons=self._comparisons(gains, groups),
            exposure={name: exposure(top, len(counts)) for name, top in tops.items()},
        )

    def _metrics(self, order: Sequence[str], occasion: Occasion) -> ListMetrics:
        return list_metrics(np.array([name in occasion.chosen for name in order]), len(occasion.chosen))

    def _groups(self) -> dict[str, Bools]:
        """Mark the lists of each group: those of which all chosen items are in it; shape (lists,)."""
        index = self.dataset.item_index
        codes = [[index.get(name, -1) for name in occasion.chosen] for occasion in self.occasions]
        return {
            group: np.array([all(code >= 0 and items[code] for code in each) for each in codes])
            for group, items in target_groups(self.dataset.counts).items()
        }

    def _top(self, orders: Sequence[Sequence[str]]) -> Codes:
        """Code the first ten of each list, -1 for what the data don't know; shape (lists, 10)."""
        top = np.full((len(orders), TOP), -1, np.int32)
        for row, order in zip(top, orders, strict=True):
            row[: len(order)] = [self.dataset.item_index.get(name, -1) for name in order[:TOP]]
        return top

    def _comparisons(self, gains: Mapping[str, Doubles], groups: Mapping[str, Bools]) -> list[Comparison]:
        first, *others = gains
        users = np.unique(self.users, return_inverse=True)[1].astype(np.int32)
        rows: dict[str, Bools | None] = {"ndcg@10": None, "ndcg@10/tail80": groups["tail80"]}
        found = []
        for other in others:
            for metric, chosen in rows.items():
                one = paired_bootstrap(gains[first], gains[other], users, chosen, seed=self.seed)
                if one is not None:
                    found.append(Comparison(first, other, metric, one.mean, (one.low, one.high)))
        return found


def _mean(values: Doubles) -> float | None:
    return float(values.mean()) if len(values) else None
