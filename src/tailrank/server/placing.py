"""From a request and a past to a ranking, with candidates that the model doesn't know in their places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from msgspec import UNSET

from tailrank.api import Candidate, HistoryEvent, RankedItem, RankRequest
from tailrank.arrays import Bools, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, History
from tailrank.ranking.explanation import explain
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.upstream import shares

NOBODY = History([], [], [])


@dataclass(frozen=True)
class Asked:
    """Distinct candidates of a request, in their order.

    Attributes
    ----------
    ids
        Each once.
    scores
        Their upstream scores, NaN where there is none; None where no candidate has one.
    places
        Where each stood in the request, from 1.
    """

    ids: list[str]
    scores: list[float] | None
    places: Sequence[int]

    @classmethod
    def of(cls, candidates: Sequence[str | Candidate]) -> Asked:
        """Read a request's candidates; one that comes again keeps its first place."""
        ids = [each if isinstance(each, str) else each.id for each in candidates]
        scores = [None if isinstance(each, str) else each.score for each in candidates]
        places: Sequence[int] = range(1, len(ids) + 1)
        if len(set(ids)) < len(ids):
            first = {name: at for at, name in reversed(list(enumerate(ids)))}
            at = sorted(first.values())
            ids, scores, places = [ids[i] for i in at], [scores[i] for i in at], [i + 1 for i in at]
        told = any(score is not None for score in scores)
        return cls(ids, [np.nan if x is None else x for x in scores] if told else None, places)

    def upstream(self, k: int | None) -> list[RankedItem]:
        """Give the order of the request."""
        scores = [0.0] * len(self.ids) if self.scores is None else np.nan_to_num(self.scores).tolist()
        rows = zip(self.ids, scores, range(1, len(self.ids) + 1), self.places, strict=True)
        return [RankedItem(*row) for row in rows][:k]


def place(reranker: Reranker, asked: Asked, request: RankRequest, past: History) -> list[RankedItem]:
    """Rank a request's candidates for a stored past and the history that came with the request.

    Raises
    ------
    RequestError
        On scores that are no finite numbers.
    """
    if not asked.ids:
        return []
    codes = reranker.catalogue.codes_of(asked.ids)
    known = codes >= 0
    wanted = Candidates(codes if known.all() else codes[known], len(reranker.catalogue))
    seen = history(reranker, past, request.history)
    tail = request.policy.tail if request.policy else None
    parts = shares(asked.scores, len(codes), reranker.upstream, reranker.settings.upstream_weight)
    own = reranker.score(seen, wanted, tail)[0]
    total = _spread(own, known)
    for share in parts.values():
        total += share
    order = _order(total, known, stay=not parts)
    reasons = _contributions(reranker, seen, wanted, known, parts, tail) if request.explain else None
    chosen = order[: request.k].tolist()
    columns: list[Iterable[Any]] = [
        [asked.ids[at] for at in chosen],
        _falling(total, known, order, stay=not parts).tolist(),
        count(1),
        [asked.places[at] for at in chosen],
    ]
    if reasons is not None or not known.all():
        columns.append(UNSET if known[at] else True for at in chosen)
        columns.append(UNSET if reasons is None else reasons[at] for at in chosen)
    return [RankedItem(*row) for row in zip(*columns, strict=False)]


def history(reranker: Reranker, past: History, given: Sequence[str | HistoryEvent]) -> Histories:
    """Code a stored past and what a request adds to it; items that the model doesn't know are passed over.

    Of events without a time, the time before counts. A model that learned from positions is given positions.
    """
    ids, types, times = past
    if given:
        events = [HistoryEvent(each) if isinstance(each, str) else each for each in given]
        ids = ids + [event.item_id for event in events]
        types = types + [event.event or "" for event in events]
        times = times + [-np.inf if event.timestamp is None else event.timestamp for event in events]
    catalogue = reranker.catalogue
    codes = catalogue.codes_of(ids)
    known = codes >= 0
    n = int(known.sum())
    seconds = np.maximum.accumulate(np.array(times, np.float64)[known])
    seconds[np.isinf(seconds)] = 0.0
    if catalogue.clock == "position":
        seconds = np.arange(n, dtype=np.float64)
    kinds = catalogue.types_of(types)[known]
    return Histories(codes[known], kinds, seconds, np.array([0, n], np.int64))


def _spread(own: Floats, known: Bools) -> Floats:
    """Give every candidate the model's score, and the mean of these to those that it doesn't know."""
    if len(own) == len(known):
        return own
    total = np.full(len(known), own.mean() if len(own) else 0.0, np.float32)
    total[known] = own
    return total


def _order(total: Floats, known: Bools, stay: bool) -> Offsets:
    """Sort, the best first; candidates that the model doesn't know stay where they stood, if so told."""
    order = (-total).argsort(kind="stable")
    if not stay or known.all():
        return order
    placed = np.flatnonzero(~known)
    kept = np.arange(len(known))
    kept[known] = order[known[order]]
    kept[placed] = placed
    return kept


def _falling(total: Floats, known: Bools, order: Offsets, stay: bool) -> Floats:
    """Give the scores in order; what stayed where it stood has the score of its neighbour above."""
    scores = total[order]
    if not stay or known.all() or not known.any():
        return scores
    sure = np.flatnonzero(known[order])
    above = np.searchsorted(sure, np.arange(len(order)), side="right") - 1
    return scores[sure[np.maximum(above, 0)]]


def _contributions(
    reranker: Reranker,
    seen: Histories,
    wanted: Candidates,
    known: Bools,
    parts: Mapping[str, Floats],
    tail: float | None,
) -> list[dict[str, float]]:
    """Say of each candidate what its score is made of."""
    shared = {name: share[known] for name, share in parts.items()}
    ids = [""] * len(wanted)
    told = iter(explain(reranker, seen, wanted, ids, shared, tail))
    mean = float(reranker.score(seen, wanted, tail)[0].mean()) if ids else 0.0
    return [
        next(told).contributions
        if is_known
        else {"mean": mean, **{name: float(share[at]) for name, share in parts.items()}}
        for at, is_known in enumerate(known.tolist())
    ]
