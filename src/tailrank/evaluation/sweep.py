"""Turns the dials of policies over the lists of many queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.frontier import (
    Change,
    Curve,
    Dial,
    Frontier,
    Metrics,
    Point,
    choose,
    mean_of,
    undominated,
)
from tailrank.evaluation.query_shards import QueryShards, rank_shards
from tailrank.metrics.beyond_accuracy import list_means
from tailrank.metrics.full_ranking import Outcome, measure, per_query
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import TOP, mean, target_ranks
from tailrank.metrics.significance import paired_bootstrap
from tailrank.policy.base import Policy, Scored
from tailrank.policy.objective import as_numbers
from tailrank.ranking.listing import CandidateListing
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, silent
from tailrank.running import Run, run_here

SHORTLIST: Final = 200
"""Best items of each list that steps see, as many as a request brings; the others keep their ranks."""


@dataclass(frozen=True)
class Sample:
    """Queries whose targets are on fair ground, and the model that ranks them.

    Attributes
    ----------
    reranker
        What it learned says nothing of the targets.
    split
        `full_train` is what the reranker was fitted on.
    queries
        To rank.
    eligible
        Items of fair ground, shape (items,).
    """

    reranker: Reranker
    split: Split
    queries: Queries
    eligible: Bools

    @classmethod
    def of_validation(cls, reranker: Reranker, split: Split) -> Self:
        """Take the validation queries of a split, and a model that was fitted on `split.train`."""
        eligible = split.learnable_items
        queries = split.validation.take(eligible[split.validation.targets])
        return cls(reranker, replace(split, full_train=split.train), queries, eligible)

    @classmethod
    def of_test(cls, reranker: Reranker, split: Split) -> Self:
        """Take the test queries of a split, and a model that was fitted on `split.full_train`."""
        queries = split.test.take(split.fair_items[split.test.targets])
        return cls(reranker, split, queries, split.fair_items)

    @property
    def tail(self) -> Bools:
        """Items outside the most popular 20%, shape (items,)."""
        return tail_items(self.split.full_train.counts)

    def metrics(self, outcome: Outcome, vectors: Floats | None, columns: Iterable[str]) -> Metrics:
        """Measure lists on fair ground, and the means of columns."""
        counts, cold = self.split.full_train.counts, self.split.cold
        found = measure(outcome, self.queries.targets, counts, vectors, cold, self.eligible)
        means = {mean_of(name): mean(self.means(outcome, name)) for name in columns}
        return found | means

    def means(self, outcome: Outcome, column: str) -> Doubles:
        """Average a column over the first ten of each list, shape (queries,); NaN where none has a number.

        Raises
        ------
        RequestError
            If the items have no such column, or it holds something else.
        """
        numbers = as_numbers(column, self.reranker.all_items.attribute(column))
        known = np.isfinite(numbers)
        listed = list_means(outcome.top, known.astype(np.float64))
        means = list_means(outcome.top, np.where(known, numbers, 0.0))
        found: Doubles = np.divide(means, listed, out=np.full(len(means), np.nan), where=listed > 0)
        return found


def trace(
    dials: Mapping[str, Dial],
    validation: Sample,
    test: Sample,
    max_loss: float,
    vectors: Floats | None = None,
    seed: int = 0,
    progress: Progress = silent,
    run: Run = run_here,
) -> Frontier:
    """Turn dials one by one, choose a value of each on validation queries, and say what it does on the test.

    Parameters
    ----------
    dials
        By name.
    validation, test
        What is ranked.
    max_loss
        Share of ndcg@10 that a choice may lose on validation queries.
    vectors
        Of the items, shape (items, d), to measure the diversity of lists; None if there are none.
    seed
        Of the bootstrap.
    progress
        Called with the number of queries that are ranked.
    run
        Who ranks.

    Raises
    ------
    RequestError
        If there is no query to choose by, or none to test on, or a step can't be applied.
    """
    for name, sample in (("validation", validation), ("test", test)):
        if not len(sample.queries):
            raise RequestError(f"{sample.split.full_train.name}: no {name} query on fair ground to sweep on")
    steps = [step for dial in dials.values() for step in dial.steps()]
    chosen_on = apply_each(steps, validation, progress, "turn dials on validation queries", run)
    shown_on = apply_each(steps, test, progress, "turn dials on test queries", run)
    values = [None, *(value for dial in dials.values() for value in dial.values)]
    columns = [dial.column for dial in dials.values() if dial.column is not None]
    plain, *points = [
        Point(value, validation.metrics(one, vectors, columns), test.metrics(other, vectors, columns))
        for value, one, other in zip(values, chosen_on, shown_on, strict=True)
    ]
    curves, start = [], 0
    for name, dial in dials.items():
        part = slice(start, start + len(dial.values))
        start = part.stop
        gains = [float(per_query(outcome).mean()) for outcome in chosen_on[1:][part]]
        chosen = choose(float(per_query(chosen_on[0]).mean()), gains, max_loss)
        changes, column = list[Change](), dial.column
        if chosen is not None:
            changes = changed(shown_on[1:][part][chosen], shown_on[0], test, seed, column)
        curve = Curve(name, dial.setting, points[part], chosen, changes)
        curves.append(curve if column is None else with_front(curve, plain, mean_of(column)))
    return Frontier(max_loss, SHORTLIST, (len(validation.queries), len(test.queries)), plain, curves)


def with_front(curve: Curve, plain: Point, gain: str) -> Curve:
    """Find the points of a curve, and of the list without its step, that are on the Pareto front."""
    points = [plain, *curve.points]
    pairs = np.array([[each.test["ndcg@10"], each.test[gain]] for each in points], np.float64)
    front = [each.value for each, stays in zip(points, undominated(pairs), strict=True) if stays]
    return replace(curve, gain=gain, front=front)


def apply_each(
    steps: Sequence[Policy], sample: Sample, progress: Progress, task: str, run: Run = run_here
) -> list[Outcome]:
    """Rank without any step, then with each of them alone; one outcome each."""
    rank = partial(_ranked_by_each, [None, *steps], sample.reranker, sample.eligible)
    plain = replace(sample.reranker, policy=())
    shards = QueryShards.of_split(sample.split, plain, sample.queries, rank)
    return rank_shards(shards, run, progress, task)[0]


def _ranked_by_each(
    steps: Sequence[Policy | None], reranker: Reranker, eligible: Bools, batch: Queries, scores: Floats
) -> Iterator[Outcome]:
    scores[:, ~eligible] = -np.inf
    ranks = target_ranks(scores, batch.targets).astype(np.int32)
    lists = _shortlists(reranker, batch, scores)
    for step in steps:
        yield _outcome(step, lists, batch.targets, ranks)


def changed(
    outcome: Outcome, plain: Outcome, sample: Sample, seed: int, column: str | None = None
) -> list[Change]:
    """Compare lists with those without the step.

    By accuracy, for targets in the tail too, by tail share and, if there is one, by the mean of a column.
    """
    tail, users = sample.tail, sample.queries.users
    in_tail, everything = tail[sample.queries.targets], np.ones(len(users), bool)
    gains = per_query(outcome), per_query(plain)
    shares = _tail_shares(outcome, tail), _tail_shares(plain, tail)
    compared: dict[str, tuple[tuple[Doubles, Doubles], Bools]] = {
        "ndcg@10": (gains, everything),
        "ndcg@10/tail80": (gains, in_tail),
        "aplt@10": (shares, everything),
    }
    if column is not None:
        means = sample.means(outcome, column), sample.means(plain, column)
        compared[mean_of(column)] = means, np.isfinite(means[0] + means[1])
    found = []
    for metric, ((now, before), rows) in compared.items():
        if rows.any():
            base = before[rows].mean()
            bounds = paired_bootstrap(now, before, users, rows, seed=seed)
            by = float(now[rows].mean() - base)
            ends = (bounds.low, bounds.high) if bounds else None
            found.append(Change(metric, by, float(by / base) if base else None, ends))
    return found


def _tail_shares(outcome: Outcome, tail: Bools) -> Doubles:
    return np.nan_to_num(list_means(outcome.top, tail.astype(np.float64)))


def _shortlists(reranker: Reranker, batch: Queries, scores: Floats) -> list[tuple[Codes, Scored]]:
    """Take the best items of each query, best first, as a request would bring them."""
    catalogue, size = reranker.catalogue, min(SHORTLIST, scores.shape[1])
    best = np.argpartition(-scores, size - 1, axis=1)[:, :size]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), 1, kind="stable"), 1)
    moments = batch.source.times[batch.full_ends].tolist()
    found = []
    for row, codes, events, now in zip(
        scores, best, catalogue.events_of(batch.histories), moments, strict=True
    ):
        listed = codes[np.isfinite(row[codes])].astype(np.int32)
        ids = catalogue.ids_of(listed)
        listing = CandidateListing(ids, listed, events, now, catalogue, reranker.signals)
        found.append((listed, Scored(row[listed], catalogue.rarity[listed], listing=listing)))
    return found


def _outcome(
    step: Policy | None, lists: Sequence[tuple[Codes, Scored]], targets: Codes, ranks: Codes
) -> Outcome:
    """Apply a step to shortlists; a target below its own keeps its rank, and one removed is last of it."""
    ranks, top = ranks.copy(), np.full((len(lists), TOP), -1, np.int32)
    for at, (codes, given) in enumerate(lists):
        shown = codes[(given if step is None else step.apply(given)).order]
        top[at, : len(shown[:TOP])] = shown[:TOP]
        if targets[at] in codes:
            (place,) = (shown == targets[at]).nonzero()
            ranks[at] = place[0] + 1 if len(place) else len(codes)
    return Outcome(ranks, top)
