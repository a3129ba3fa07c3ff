"""Full ranking: every model orders the whole catalogue for every test query."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.baselines import TunedModel, find_model, tailrank
from tailrank.evaluation.results import Comparison, Evaluation, FusionWeights, TradeoffPoint
from tailrank.metrics.beyond_accuracy import Outcome, exposure, measure, per_query, target_groups
from tailrank.metrics.full_ranking import Model, joined, rank_queries, read_off, scored
from tailrank.metrics.popularity import COUNT_LABELS
from tailrank.metrics.significance import paired_bootstrap
from tailrank.policy.long_tail import promote, rarity
from tailrank.ranking.fitting import Settings
from tailrank.ranking.fusion import HISTORY_LABELS
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress

DIALS: Final = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
SWEPT: Final = 2_000
"""Queries on which the long-tail policy is swept."""


@dataclass(frozen=True)
class FittedModel:
    """A model fitted for a split.

    Attributes
    ----------
    name
        As in `--models`.
    scorer
        What ranks.
    fit_seconds
        Time to fit; of a peer, with the chosen setting only.
    tuning
        How a peer was tuned (`TunedModel.tuning`); empty for other models, whose fit tunes them.
    """

    name: str
    scorer: Model
    fit_seconds: float
    tuning: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, fitted: Model | TunedModel, seconds: float) -> Self:
        """Take a model that was fitted in so many seconds, or a peer, which counts its own."""
        if isinstance(fitted, TunedModel):
            return cls(name, fitted.model, fitted.fit_seconds, fitted.tuning)
        return cls(name, fitted, seconds)


def fit(
    names: Sequence[str],
    split: Split,
    vectors: Floats | None,
    settings: Settings,
    progress: Progress,
    tuned: Floats | None = None,
) -> list[FittedModel]:
    """Fit models by name.

    Parameters
    ----------
    names
        As in `--models`.
    split
        What to learn from.
    vectors
        The encoder's vectors, shape (items, d), if there is an encoder.
    settings
        How tailrank is fitted; the other models take from it what they share.
    progress
        Is told how many are fitted.
    tuned
        A fine-tuned encoder's vectors, shape (items, dimensions), for tailrank alone.

    Raises
    ------
    RequestError
        On an unknown model, or one that can't be fitted here or to these data.
    """
    contenders = []
    fits = {name: find_model(name) for name in names} | {"tailrank": partial(tailrank, tuned=tuned)}
    for done, name in enumerate(names):
        progress("fit", done, len(names), name)
        start = time.perf_counter()
        fitted = fits[name](split, vectors, settings, progress)
        contenders.append(FittedModel.of(name, fitted, time.perf_counter() - start))
    progress("fit", len(names), len(names))
    return contenders


def check(names: Sequence[str]) -> None:
    """Refuse names that no model has, and import what fits the others.

    Raises
    ------
    RequestError
        Listing the models there are.
    """
    for name in names:
        find_model(name)


def evaluate(
    contenders: Sequence[FittedModel],
    split: Split,
    vectors: Floats | None,
    about: Mapping[str, object],
    progress: Progress,
    settings: Settings,
) -> Evaluation:
    """Rank the test queries with every model, measure, and compare the first with each of the others.

    Parameters
    ----------
    contenders
        Fitted on the split, the one of interest first.
    split
        Whose test queries to rank.
    vectors
        For the diversity of lists, shape (items, d).
    about
        Encoder and machine, printed in the report.
    progress
        Is told how many queries each model has ranked.
    settings
        How tailrank was fitted; its seed is that of the bootstrap.

    Raises
    ------
    RequestError
        Where there is no test query.
    """
    test, counts = split.test, split.full_train.counts
    if not len(test):
        raise RequestError(f"{split.full_train.name}: no test query under the protocol {split.protocol}")
    figures: dict[str, dict[str, float | None]] = {}
    outcomes: dict[str, Outcome] = {}
    for contender in contenders:
        start = time.perf_counter()
        task = f"rank with {contender.name}"
        outcome = rank_queries(contender.scorer, test, split, partial(progress, task, total=len(test)))
        took: dict[str, float | None] = {
            "fit_seconds": contender.fit_seconds,
            "rank_ms_per_user": 1000 * (time.perf_counter() - start) / len(test),
        }
        outcomes[contender.name] = outcome
        figures[contender.name] = measure(outcome, test.targets, counts, vectors) | took
    fused = [c.scorer for c in contenders if isinstance(c.scorer, Reranker)]
    tuning = {c.name: c.tuning for c in contenders if c.tuning}
    return Evaluation(
        dataset=split.full_train.name,
        protocol=split.protocol,
        users=len(np.unique(test.users)),
        queries=len(test),
        settings=asdict(settings)
        | {"tail": fused[0].tail if fused else None}
        | ({"tuning": tuning} if tuning else {})
        | dict(about),
        models=figures,
        counts=counts,
        exposure={name: exposure(outcome.top, len(counts)) for name, outcome in outcomes.items()},
        comparisons=_compare(outcomes, test, target_groups(counts)["tail80"][test.targets], settings.seed),
        tradeoff=_sweep(fused[0], split, vectors, settings.seed) if fused else [],
        fusion=_weights(fused[0]) if fused else None,
    )


def _compare(outcomes: Mapping[str, Outcome], test: Queries, tail: Bools, seed: int) -> list[Comparison]:
    """Compare the first model with each other one, on all targets and on those in the tail."""
    first, *others = outcomes
    comparisons = []
    for other in others:
        for metric, rows in (("ndcg@10", None), ("ndcg@10/tail80", tail)):
            a, b = per_query(outcomes[first]), per_query(outcomes[other])
            found = paired_bootstrap(a, b, test.users, rows, seed=seed)
            if found:
                comparisons.append(Comparison(first, other, metric, found.mean, (found.low, found.high)))
    return comparisons


def _sweep(reranker: Reranker, split: Split, vectors: Floats | None, seed: int) -> list[TradeoffPoint]:
    """Measure the long-tail policy at a rising dial on a sample of the test queries."""
    queries, counts = split.test.sample(SWEPT, seed), split.full_train.counts
    rare = rarity(counts)
    outcomes: dict[float, list[Outcome]] = {dial: [] for dial in DIALS}
    for batch, scores in scored(replace(reranker, tail=0.0), queries, split):
        for dial, found in outcomes.items():
            found.append(read_off(promote(scores, rare, dial), batch.targets))
    return [
        TradeoffPoint(dial, measure(joined(found), queries.targets, counts, vectors))
        for dial, found in outcomes.items()
    ]


def _weights(reranker: Reranker) -> FusionWeights:
    fusion = reranker.fusion
    return FusionWeights(fusion.signals, COUNT_LABELS, HISTORY_LABELS, fusion.weights.astype(np.float64))
