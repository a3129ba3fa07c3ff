"""Training that corrects for popularity, on targets as they come and as if every item came alike; resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, Final

import numpy as np

from bench import study
from bench.grounds import FAIR, fair_ndcg, fair_splits
from tailrank.arrays import Doubles
from tailrank.data.splits import Split
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.propensity import PopularityPropensity
from tailrank.metrics.significance import ratio_bootstrap
from tailrank.ranking.fitting import FittedSignals, fit_before, fuse, with_template
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.covisitation import CoVisitation

PLAIN: Final = "neither"
"""What the others are compared with: neither a correction nor weights for the tail."""


@dataclass(frozen=True, kw_only=True)
class DebiasedCoVisitation(CoVisitation):
    """Pairs weigh as much as the later item's propensity is low, on top of the damping that ships."""

    target_damping: ClassVar[float] = CoVisitation.target_damping + 0.5


@dataclass(frozen=True)
class Way:
    """What is corrected.

    Attributes
    ----------
    power
        Of the propensity by which fusion's queries count; 0 counts them alike.
    pairs
        Whether co-visitation's pairs weigh by it, too.
    """

    power: float = 0.0
    pairs: bool = False


WAYS: Final = {
    PLAIN: Way(),
    "fusion, power 0.25": Way(0.25),
    "fusion, power 0.5": Way(0.5),
    "co-visitation": Way(pairs=True),
    "both, power 0.5": Way(0.5, pairs=True),
}
TAIL_COSTS: Final = {"weights for the tail": 0.01, "weights for the tail, cost 0.1": 0.1}
"""What there is without any correction: shares of ndcg@10 on validation that may be given up for the tail."""

AGAINST: Final = (PLAIN, *TAIL_COSTS)
"""What every way is compared with."""

EVALUATED: Final = (1.0, 100.0)
"""Power and clip of the propensity by which test queries weigh, so that every item counts about alike."""


@dataclass(frozen=True)
class Trials:
    """Rankers of one split, whose signals are fitted once.

    Attributes
    ----------
    split
        What they learn from.
    vectors
        Of the items.
    settings
        How they are fitted, but for what is corrected.
    """

    split: Split
    vectors: ItemVectors
    settings: Settings

    def parts(self) -> dict[str, Callable[[], study.Values]]:
        """Give what computes ndcg@10 of each test query on fair ground, by the name of each way."""
        costs = {name: partial(self.for_tail, cost) for name, cost in TAIL_COSTS.items()}
        ways = {name: partial(self.debiased, way) for name, way in WAYS.items()}
        return {name: partial(self._values, name, fit) for name, fit in (costs | ways).items()}

    def for_tail(self, cost: float) -> Reranker:
        """Fit as it ships, with weights for the tail at a cost."""
        return Reranker.from_fitted(fuse(self._before, replace(self.settings, tail_cost=cost)))

    def debiased(self, way: Way) -> Reranker:
        """Fit fusion, and co-visitation if that is asked for, with weights that correct for popularity."""
        signals = self._before.before
        if way.pairs:
            [pairs] = DebiasedCoVisitation.fit(self._before.data)
            signals = tuple(pairs if isinstance(signal, CoVisitation) else signal for signal in signals)
        settings = replace(self.settings, tail=0.0, debias=way.power)
        return Reranker.from_fitted(fuse(replace(self._before, before=signals), settings))

    @cached_property
    def _before(self) -> FittedSignals:
        return fit_before(self.split, self.vectors, self.settings)

    def _values(self, name: str, fit: Callable[[], Reranker]) -> study.Values:
        return {name: fair_ndcg(fit(), self.split)}


class Slices:
    """Weights of the test queries of fair ground, by what metrics they make.

    Parameters
    ----------
    split
        Whose test queries are ranked.
    """

    def __init__(self, split: Split) -> None:
        test, counts = split.test.take(split.fair_items[split.test.targets]), split.full_train.counts
        self.users = test.users
        self.weights: dict[str, Doubles] = {
            "ndcg@10": np.ones(len(test)),
            "ndcg@10/unbiased": PopularityPropensity.from_counts(counts, *EVALUATED).weights(test.targets),
            "ndcg@10/tail80": tail_items(counts)[test.targets].astype(np.float64),
        }

    def about(self) -> study.Json:
        """Count the queries, and how many alike ones would say as much (Kish, 1965)."""
        return {name: float(each.sum() ** 2 / (each**2).sum()) for name, each in self.weights.items()}

    def row(self, values: Sequence[Doubles], found: study.Found) -> study.Json:
        """Average over queries and seeds, and bound the differences from others by resampling users."""
        told: study.Json = {}
        for metric, weights in self.weights.items():
            means = [float(np.average(each, weights=weights)) for each in values]
            told[metric] = {"mean": float(np.mean(means)), "seeds": means, "difference": {}}
            for name in AGAINST:
                gain = np.mean(values, axis=0) - np.mean(found[name], axis=0)
                if pair := ratio_bootstrap(weights * gain, weights, self.users):
                    told[metric]["difference"][name] = {"mean": pair.mean, "ci95": [pair.low, pair.high]}
        return told


def main(data: study.Data, name: study.Name, seeds: study.Seeds = "0,1,2") -> None:
    """Store what corrections for popularity are worth on one data set, without the sequence model."""
    dataset, vectors, about = study.encoded(name, data)
    split, drawn = fair_splits(dataset, 0)[FAIR], study.numbers(seeds)

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        return Trials(split, vectors, with_template(Settings(seed=seed), split.train)).parts()

    found = study.collect("causal", dataset, drawn, parts)
    slices = Slices(split)
    rows = [{"way": way, **slices.row(each, found)} for way, each in found.items()]
    about |= {"seeds": drawn, "protocol": split.protocol, "size": slices.about()}
    study.store(f"{name}/causal.json", about | {"rows": rows})
