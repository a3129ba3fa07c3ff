"""Queries ranked shard by shard: the same wherever a shard is ranked, here or on another machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import Model, Outcome, score_everything
from tailrank.reporting import Progress
from tailrank.running import Run

Rank: TypeAlias = Callable[[Queries, Floats], Iterator[Outcome]]
"""Ranks a batch by its scores, shape (queries, items), in some ways: one outcome each."""


class RankedShard(NamedTuple):
    """What came of a shard: its queries, an outcome for each way to rank, seconds that the first took."""

    rows: slice
    outcomes: list[Outcome]
    seconds: float


@dataclass(frozen=True)
class QueryShards:
    """Queries, and how they are ranked: all that whoever ranks some of them needs.

    Attributes
    ----------
    model
        Scores the whole catalogue.
    queries
        At least one.
    n_items
        Size of the catalogue.
    repeats
        Whether items of the history may be ranked.
    rank
        What is done with the scores of a batch.
    """

    model: Model
    queries: Queries
    n_items: int
    repeats: bool
    rank: Rank

    @classmethod
    def of_split(cls, split: Split, model: Model, queries: Queries, rank: Rank) -> QueryShards:
        """Rank queries of a split by what is known of it only."""
        return cls(model, queries, split.full_train.n_items, split.repeats, rank)

    def ranked(self, rows: slice) -> RankedShard:
        """Rank the queries of a slice."""
        start, batch = time.perf_counter(), self.queries.take(rows)
        outcomes = self.rank(batch, score_everything(self.model, batch, self.n_items, self.repeats))
        first = next(outcomes)
        seconds = time.perf_counter() - start
        return RankedShard(rows, [first, *outcomes], seconds)


def rank_shards(shards: QueryShards, run: Run, progress: Progress, task: str) -> tuple[list[Outcome], float]:
    """Rank all queries; gives an outcome for each way to rank, and the seconds that the first of them took.

    Parameters
    ----------
    shards
        What to rank. Shards are the same whoever ranks them, so outcomes are, too.
    run
        Who ranks them.
    progress, task
        Called with the number of queries that are ranked, under the name of the task.
    """
    found, done = list[RankedShard](), 0
    for one in run(QueryShards.ranked, shards, shards.queries.cut(shards.n_items)):
        found.append(one)
        done += one.rows.stop - one.rows.start
        progress(task, done, len(shards.queries))
    found.sort(key=lambda one: one.rows.start)
    ways = zip(*(one.outcomes for one in found), strict=True)
    return [Outcome.from_batches(batches) for batches in ways], sum(one.seconds for one in found)
