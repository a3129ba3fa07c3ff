"""Grounds: what models are measured on, all from the same scores.

On full ground every item competes for every query. On fair ground only those items compete whose counts
say nothing of what was held out, for the queries whose target is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.evaluation.baselines import FittedModel
from tailrank.evaluation.query_shards import QueryShards, rank_shards
from tailrank.evaluation.results import Comparison, Ground, TradeoffPoint
from tailrank.metrics.beyond_accuracy import exposure
from tailrank.metrics.full_ranking import Outcome, measure, per_query
from tailrank.metrics.group_exposure import GroupExposure, group_exposure
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.metrics.user_groups import popularity_bias
from tailrank.policy.base import Scored
from tailrank.policy.tail import TailBoost, rarity
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, step
from tailrank.running import Run, run_here

STRENGTHS: Final = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
SWEPT: Final = 2_000
"""Queries on which the strength of the tail policy is swept."""

COMPARED: Final = ("tail80", "cold", "warm")
"""Groups of targets on which models are compared and have intervals, where there are such."""


def measure_grounds(
    models: Sequence[FittedModel],
    split: Split,
    vectors: Floats | None,
    seed: int,
    progress: Progress,
    groups: Mapping[str, Bools] | None = None,
    run: Run = run_here,
) -> list[Ground]:
    """Rank the test queries with every model; measure on full ground and, if there is one, on fair ground.

    Parameters
    ----------
    models
        Fitted on the split, the one of interest first; the tail policy is swept on the first `Reranker`.
    split
        Whose test queries to rank.
    vectors
        Of the items, shape (items, d), to measure the diversity of lists; None if there are none.
    seed
        Of the bootstrap.
    progress
        Called with the number of queries that each model has ranked.
    groups
        Items of each group whose exposure is measured, shape (items,).
    run
        Who ranks.
    """
    grounds = [np.ones(split.full_train.n_items, dtype=bool)]
    grounds += [split.fair_items] if split.least_count else []
    ranked, costs = {}, {}
    for model in models:
        shards = QueryShards.of_split(split, model.scorer, split.test, partial(_among, grounds))
        ranked[model.name], seconds = rank_shards(shards, run, progress, f"rank with {model.name}")
        milliseconds = 1000 * seconds / len(split.test)
        costs[model.name] = {"fit_seconds": model.fit_seconds, "rank_ms_per_user": milliseconds}
    fused = next((model.scorer for model in models if isinstance(model.scorer, Reranker)), None)
    sample = split.test.sample(SWEPT, seed)
    swept = _sweep(fused, sample, split, grounds, progress, run) if fused else {}
    found = []
    for at, eligible in enumerate(grounds):
        meter = _Meter(split, eligible, vectors, groups or {})
        with step(progress, "measuring"):
            ground = meter.ground({name: outcomes[at] for name, outcomes in ranked.items()}, costs, seed)
            tradeoff = [
                TradeoffPoint(strength, meter.metrics(outcomes[at], sample))
                for strength, outcomes in swept.items()
            ]
        found.append(replace(ground, tradeoff=tradeoff))
    return found


@dataclass(frozen=True)
class _Meter:
    """Measures on one ground; `vectors` and `item_groups` as for `measure_grounds`.

    Attributes
    ----------
    split
        Whose counts and cold items say which group an item is in.
    eligible
        Items that compete, shape (items,).
    """

    split: Split
    eligible: Bools
    vectors: Floats | None
    item_groups: Mapping[str, Bools]

    def ground(
        self, outcomes: Mapping[str, Outcome], costs: Mapping[str, Mapping[str, float]], seed: int
    ) -> Ground:
        """Measure and compare what models did with the test queries."""
        test, counts = self._kept(self.split.test), self.split.full_train.counts
        groups = {name: items[test.targets] for name, items in target_groups(counts, self.split.cold).items()}
        return Ground(
            users=len(np.unique(test.users)),
            queries=len(test),
            items=int(self.eligible.sum()),
            targets={name: int(rows.sum()) for name, rows in groups.items()},
            models={
                name: {**self.metrics(outcome, self.split.test), **costs[name]}
                for name, outcome in outcomes.items()
            },
            comparisons=_compare(outcomes, test, groups, seed),
            intervals={name: _intervals(outcome, test, groups, seed) for name, outcome in outcomes.items()},
            exposure={name: exposure(outcome.top, len(counts)) for name, outcome in outcomes.items()},
            groups={name: self._groups(outcome, test, seed) for name, outcome in outcomes.items()},
            user_groups={
                name: popularity_bias(outcome.top, per_query(outcome), test, counts, self.eligible, seed)
                for name, outcome in outcomes.items()
            },
        )

    def metrics(self, outcome: Outcome, queries: Queries) -> dict[str, float | None]:
        """Measure what was done with some queries, those with another target left out."""
        counts, cold = self.split.full_train.counts, self.split.cold
        return measure(outcome, self._kept(queries).targets, counts, self.vectors, cold, self.eligible)

    def _groups(self, outcome: Outcome, test: Queries, seed: int) -> dict[str, GroupExposure]:
        return group_exposure(outcome.top, test.targets, test.users, self.item_groups, self.eligible, seed)

    def _kept(self, queries: Queries) -> Queries:
        return queries.take(self.eligible[queries.targets])


def _among(grounds: Sequence[Bools], queries: Queries, scores: Floats) -> Iterator[Outcome]:
    """Rank on each ground."""
    for eligible in grounds:
        yield Outcome.among(eligible, scores, queries.targets)


def _boosted(grounds: Sequence[Bools], rare: Floats, queries: Queries, scores: Floats) -> Iterator[Outcome]:
    """Rank on each ground, for each strength of the tail policy."""
    for strength in STRENGTHS:
        yield from _among(grounds, queries, TailBoost(strength).apply(Scored(scores, rare)).scores)


def _sweep(
    reranker: Reranker,
    queries: Queries,
    split: Split,
    grounds: Sequence[Bools],
    progress: Progress,
    run: Run,
) -> dict[float, list[Outcome]]:
    """Rank queries on each ground as the tail policy gets stronger."""
    rank = partial(_boosted, grounds, rarity(split.full_train.counts))
    shards = QueryShards.of_split(split, replace(reranker, policy=()), queries, rank)
    outcomes, _ = rank_shards(shards, run, progress, "rank with stronger tail policies")
    n = len(grounds)
    return {strength: outcomes[at * n : (at + 1) * n] for at, strength in enumerate(STRENGTHS)}


def _compared(groups: Mapping[str, Bools]) -> dict[str, Bools | None]:
    """Give the metrics that have intervals, and the queries that each is the mean of; None for all."""
    return {"ndcg@10": None} | {f"ndcg@10/{name}": groups[name] for name in COMPARED if name in groups}


def _intervals(
    outcome: Outcome, test: Queries, groups: Mapping[str, Bools], seed: int
) -> dict[str, tuple[float, float]]:
    """Bound the means of one model."""
    values = per_query(outcome)
    bounds = {
        metric: paired_bootstrap(values, np.zeros_like(values), test.users, chosen, seed=seed)
        for metric, chosen in _compared(groups).items()
    }
    return {metric: (found.low, found.high) for metric, found in bounds.items() if found}


def _compare(
    outcomes: Mapping[str, Outcome], test: Queries, groups: Mapping[str, Bools], seed: int
) -> list[Comparison]:
    """Compare the first model with each other one, on all targets and on those of some groups."""
    first, *others = outcomes
    comparisons = []
    for other in others:
        a, b = per_query(outcomes[first]), per_query(outcomes[other])
        for metric, chosen in _compared(groups).items():
            found = paired_bootstrap(a, b, test.users, chosen, seed=seed)
            if found:
                comparisons.append(Comparison(first, other, metric, found.mean, (found.low, found.high)))
    return comparisons
