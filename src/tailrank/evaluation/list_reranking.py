"""Re-ranking: other recommenders choose the candidates, and only their order is up to us."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Queries
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import Model, Outcome, scored
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.upstream import Choice, shares

LENGTH: Final = 100
"""Candidates that each recommender finds."""

VALIDATION_LISTS: Final = 2_000
"""Validation lists that the weights of upstream scores are learned from, at most."""

OURS: Final = "tailrank"
WITH_SCORES: Final = "tailrank with their scores"
MERGED: Final = "sum of standardised scores"


@dataclass(frozen=True)
class Found:
    """What recommenders found for each query.

    Attributes
    ----------
    queries
        What was asked for.
    items
        Item codes found by any of them, one array a query.
    scores
        Of each recommender by name, one array a query; NaN for what others found.
    """

    queries: Queries
    items: list[Codes]
    scores: dict[str, list[Floats]]

    @property
    def ceiling(self) -> float:
        """Share of the targets that were found: no order can do better in recall or ndcg."""
        return float(np.mean([target in found for target, found in self._pairs()]))

    def history(self, row: int, dataset: Dataset) -> list[Event]:
        """Name the events before a query."""
        h = self.queries.histories
        return dataset.events(h, slice(h.offsets[row], h.offsets[row + 1]))

    def choices(self, dataset: Dataset) -> list[Choice]:
        """Give the lists that hold the target, with it as what was chosen."""
        ids = dataset.item_ids
        return [
            Choice(
                self.history(row, dataset),
                [ids[item] for item in found],
                {name: each[row].tolist() for name, each in self.scores.items()},
                ids[target],
            )
            for row, (target, found) in enumerate(self._pairs())
            if target in found
        ]

    def _pairs(self) -> list[tuple[int, Codes]]:
        return list(zip(self.queries.targets.tolist(), self.items, strict=True))


def retrieve(retrievers: Mapping[str, Model], queries: Queries, split: Split, length: int = LENGTH) -> Found:
    """Let each recommender find its best candidates, and merge what they find.

    Parameters
    ----------
    retrievers
        By name, fitted on the split.
    queries
        What to find candidates for.
    split
        If it doesn't allow repeats, items of the history aren't found.
    length
        Candidates of each recommender.
    """
    tops: dict[str, list[Codes]] = {name: [] for name in retrievers}
    values: dict[str, list[Floats]] = {name: [] for name in retrievers}
    for name, model in retrievers.items():
        for _, scores in scored(model, queries, split):
            best = np.argpartition(-scores, min(length, scores.shape[1]) - 1, axis=1)[:, :length]
            kept = np.take_along_axis(scores, best, axis=1)
            tops[name] += list(best.astype(np.int32))
            values[name] += list(kept)
    items = [np.unique(np.concatenate(lists)) for lists in zip(*tops.values(), strict=True)]
    named = {name: list(map(_placed, items, tops[name], values[name])) for name in retrievers}
    return Found(queries, items, named)


def _placed(items: Codes, found: Codes, scores: Floats) -> Floats:
    """Put scores where their items are, NaN elsewhere; shape of `items`."""
    placed = np.full(len(items), np.nan, np.float32)
    placed[np.searchsorted(items, found)] = scores
    return placed


def reordered(reranker: Reranker, validation: Found, test: Found, dataset: Dataset) -> dict[str, Outcome]:
    """Order what was found in several ways.

    Parameters
    ----------
    reranker
        Fitted on the same split as the recommenders.
    validation
        Lists that the weights of the recommenders' scores are learned from. Fusion has learned from these
        queries too, so tailrank's own score is trusted a little too much.
    test
        Lists to order.
    dataset
        Whose ids the codes are.

    Returns
    -------
    dict
        By name: each recommender's own order (what only others found comes last), with several their
        standardised scores added up, tailrank without their scores, and with them.
    """
    learned = reranker.learn_upstream(validation.choices(dataset))
    orders: dict[str, list[Floats]] = defaultdict(list)
    for row, found in enumerate(test.items):
        given = {name: each[row].tolist() for name, each in test.scores.items()}
        for name, each in test.scores.items():
            orders[name].append(np.nan_to_num(each[row], nan=-np.inf))
        if len(given) > 1:
            orders[MERGED].append(np.sum(list(shares(given, {}, 1.0).values()), axis=0))
        request = Request(test.history(row, dataset), [dataset.item_ids[item] for item in found])
        orders[OURS].append(_scores(reranker.rank(request), request))
        request = replace(request, scores=given)
        orders[WITH_SCORES].append(_scores(learned.rank(request), request))
    return {name: _outcome(test, scores, dataset.n_items) for name, scores in orders.items()}


def _scores(ranking: Ranking, request: Request) -> Floats:
    """Read off the score of each candidate, in the order of the request."""
    by_id = dict(zip(ranking.item_ids, ranking.scores, strict=True))
    return np.array([by_id[name] for name in request.candidates], np.float32)


def _outcome(found: Found, scores: Sequence[Floats], n_items: int) -> Outcome:
    """Rank within each list; what was not found comes after everything."""
    outcomes = []
    for row, (items, given) in enumerate(zip(found.items, scores, strict=True)):
        whole = np.full((1, n_items), -np.inf, np.float32)
        whole[0, items] = given
        outcomes.append(Outcome.from_scores(whole, found.queries.targets[row : row + 1]))
    return Outcome.from_batches(outcomes)
