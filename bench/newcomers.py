"""What a price for new items buys: their targets and all others, beside models that don't tell them apart.

Without the sequence model. New are items made cold and, where there are times, those without an event before
the test. Resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Final

import numpy as np

from bench import study
from bench.grounds import COLD, FAIR, Ground, fair_ndcg, fair_splits
from bench.study import Json
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.evaluation.baselines import FittedModel, find_model
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import FittedSignals, fit_before, fuse, with_template
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import silent

PRICES: Final = (0.0, 0.01, 0.03, 0.05, 0.1, 0.2)
"""Shares of the ndcg@10 of all other validation targets, as `Settings.new_cost`."""

SHIPPED: Final = 0.01
BASELINES: Final = ("tfidf", "tfidf+lm", "lm", "item-knn")
BY_TIME: Final = "new by time"


class Trials:
    """Rankers of one split, whose signals are fitted once.

    Parameters
    ----------
    split
        What they learn from, and are tested on.
    vectors
        Of the items.
    seed
        Of what is drawn.
    """

    def __init__(self, split: Split, vectors: ItemVectors, seed: int) -> None:
        self.split, self.vectors = split, vectors
        self.settings = with_template(Settings(seed=seed), split.train)

    def parts(self) -> Mapping[str, Callable[[], study.Values]]:
        """Give what computes ndcg@10 of each test query, by the name of each way."""
        return {way(price): partial(self._priced, price) for price in PRICES} | {
            name: partial(self._baseline, name) for name in BASELINES
        }

    @cached_property
    def _before(self) -> FittedSignals:
        return fit_before(self.split, self.vectors, self.settings)

    def _priced(self, price: float) -> study.Values:
        found = Reranker.from_fitted(fuse(self._before, replace(self.settings, new_cost=price)))
        lift = np.array(found.fusion.new_lift)
        return {way(price): fair_ndcg(found, self.split), f"lift of {way(price)}": lift}

    def _baseline(self, name: str) -> study.Values:
        found = find_model(name)(self.split, {"semantic": self.vectors}, self.settings, silent)
        scorer = found.scorer if isinstance(found, FittedModel) else found
        return {name: fair_ndcg(scorer, self.split)}


def main(data: study.Data, name: study.Name, seeds: study.Seeds = "0,1,2") -> None:
    """Store a row a price, and one a baseline, compared with the price that ships."""
    dataset, vectors, about = study.encoded(name, data)
    all_seeds = study.numbers(seeds)
    grounds = []
    for title in (COLD, BY_TIME) if dataset.clock == "timestamp" else (COLD,):
        splits = {seed: split_of(title, dataset, seed) for seed in all_seeds}
        found = study.collect(
            "newcomers",
            dataset,
            all_seeds,
            lambda seed, title=title, splits=splits: {  # type: ignore[misc]
                f"{title} {part}": compute
                for part, compute in Trials(splits[seed], vectors, seed).parts().items()
            },
        )
        ground, shipped = Ground(list(splits.values())), {way(SHIPPED): found[way(SHIPPED)]}
        rows = []
        for each in (*map(way, PRICES), *BASELINES):
            lifts = [float(lift) for lift in found.get(f"lift of {each}", ())]
            row: Json = {"way": each, **ground.row(found[each], shipped)}
            rows.append(row | {"lifts": lifts} if lifts else row)
        grounds.append({"title": title, **ground.about(), "rows": rows})
    study.store(f"{name}/newcomers.json", about | {"seeds": all_seeds, "grounds": grounds})


def split_of(title: str, dataset: Dataset, seed: int) -> Split:
    """Split so that new items are `cold`; by time nothing else changes."""
    splits = fair_splits(dataset, seed)
    if title == COLD:
        return splits[COLD]
    return replace(splits[FAIR], cold=splits[FAIR].full_train.counts == 0)


def way(price: float) -> str:
    """Name the ranker that a price leads to."""
    return f"tailrank, price {price:g}"
