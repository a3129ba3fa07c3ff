"""Full ranking: every model orders the whole catalogue for every test query."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
from rich.progress import Progress

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.histories import Queries
from tailrank.data.popularity import COUNT_LABELS
from tailrank.data.ranks import TOP, mask_taken, target_ranks
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.baselines import MODELS
from tailrank.evaluation.metrics import Outcome, exposure, measure, per_query, target_groups
from tailrank.evaluation.results import Comparison, Evaluation, FusionWeights, TradeoffPoint
from tailrank.evaluation.significance import paired_bootstrap
from tailrank.policy.long_tail import promote, rarity
from tailrank.ranking.fitting import Settings
from tailrank.ranking.fusion import HISTORY_LABELS
from tailrank.ranking.reranker import Reranker
from tailrank.signals.protocol import Candidates, Scorer

STRENGTHS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
SWEPT: Final = 2_000
"""Queries on which the long-tail policy is swept."""


@dataclass(frozen=True)
class Contender:
    """A model fitted for a split."""

    name: str
    scorer: Scorer
    fit_seconds: float


def fit(
    names: Sequence[str], split: Split, vectors: Floats | None, settings: Settings, progress: Progress
) -> list[Contender]:
    """Fit models by name.

    Parameters
    ----------
    names
        Keys of `MODELS`.
    split
        What to learn from.
    vectors
        The encoder's vectors, shape (items, d), if there is an encoder.
    settings
        How tailrank is fitted; baselines take the template from it.
    progress
        Where a bar is shown.

    Raises
    ------
    RequestError
        On an unknown model.
    """
    check(names)
    contenders = []
    for name in progress.track(names, description="fit"):
        start = time.perf_counter()
        scorer = MODELS[name](split, vectors, settings, progress)
        contenders.append(Contender(name, scorer, time.perf_counter() - start))
    return contenders


def check(names: Sequence[str]) -> None:
    """Refuse names that no model has.

    Raises
    ------
    RequestError
        Listing the models there are.
    """
    for name in names:
        if name not in MODELS:
            raise RequestError(f"no model is called {name!r}: choose from {', '.join(MODELS)}")


def evaluate(
    contenders: Sequence[Contender],
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
        Where a bar is shown for each model.
    settings
        How tailrank was fitted; its seed is that of the bootstrap.

    Raises
    ------
    RequestError
        Where there is no test query.
    """
    test, counts = split.test, split.past.counts
    if not len(test):
        raise RequestError(f"{split.past.name}: no test query under the protocol {split.protocol}")
    figures: dict[str, dict[str, float | None]] = {}
    outcomes: dict[str, Outcome] = {}
    for contender in contenders:
        start = time.perf_counter()
        outcome = rank_queries(contender, test, split, progress)
        took: dict[str, float | None] = {
            "fit_seconds": contender.fit_seconds,
            "rank_ms_per_user": 1000 * (time.perf_counter() - start) / len(test),
        }
        outcomes[contender.name] = outcome
        figures[contender.name] = measure(outcome, test.targets, counts, vectors) | took
    fused = [c.scorer for c in contenders if isinstance(c.scorer, Reranker)]
    return Evaluation(
        dataset=split.past.name,
        protocol=split.protocol,
        users=len(np.unique(test.users)),
        queries=len(test),
        settings=asdict(settings) | {"tail": fused[0].tail if fused else None} | dict(about),
        models=figures,
        counts=counts,
        exposure={name: exposure(outcome.top, len(counts)) for name, outcome in outcomes.items()},
        comparisons=_compare(outcomes, test, target_groups(counts)["tail80"][test.targets], settings.seed),
        tradeoff=_sweep(fused[0], split, vectors, settings.seed) if fused else [],
        fusion=_weights(fused[0]) if fused else None,
    )


def rank_queries(contender: Contender, queries: Queries, split: Split, progress: Progress) -> Outcome:
    """Rank the whole catalogue for every query; the history is masked unless the split allows repeats."""
    task = progress.add_task(f"rank with {contender.name}", total=len(queries))
    outcomes = []
    for batch, scores in _scored(contender.scorer, queries, split):
        outcomes.append(_outcome(scores, batch.targets))
        progress.advance(task, len(batch))
    return _joined(outcomes)


def _scored(scorer: Scorer, queries: Queries, split: Split) -> Iterator[tuple[Queries, Floats]]:
    """Score batch after batch, shape (queries, items); masked items get minus infinity."""
    everything = Candidates.everything(split.past.n_items)
    for batch in queries.batches(len(everything)):
        scores = np.array(scorer.score(batch.histories, everything))
        if not split.repeats:
            mask_taken(scores, batch)
        yield batch, scores


def _outcome(scores: Floats, targets: Codes) -> Outcome:
    """Read off the target's rank, equal scores counting half, and the first ten."""
    first = np.argpartition(-scores, min(TOP, scores.shape[1]) - 1, axis=1)[:, :TOP]
    values = np.take_along_axis(scores, first, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top = np.full((len(targets), TOP), -1, dtype=np.int32)
    top[:, : first.shape[1]] = np.where(
        np.isfinite(np.take_along_axis(values, order, axis=1)), np.take_along_axis(first, order, axis=1), -1
    )
    return Outcome(target_ranks(scores, targets).astype(np.int32), top)


def _joined(outcomes: list[Outcome]) -> Outcome:
    return Outcome(np.concatenate([o.ranks for o in outcomes]), np.concatenate([o.top for o in outcomes]))


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
    """Measure the long-tail policy at rising strength on a sample of the test queries."""
    queries, counts = split.test.sample(SWEPT, seed), split.past.counts
    rare = rarity(counts)
    outcomes: dict[float, list[Outcome]] = {strength: [] for strength in STRENGTHS}
    for batch, scores in _scored(replace(reranker, tail=0.0), queries, split):
        for strength, found in outcomes.items():
            found.append(_outcome(promote(scores, rare, strength), batch.targets))
    return [
        TradeoffPoint(strength, measure(_joined(found), queries.targets, counts, vectors))
        for strength, found in outcomes.items()
    ]


def _weights(reranker: Reranker) -> FusionWeights:
    fusion = reranker.fusion
    return FusionWeights(fusion.signals, COUNT_LABELS, HISTORY_LABELS, fusion.weights.astype(np.float64))
