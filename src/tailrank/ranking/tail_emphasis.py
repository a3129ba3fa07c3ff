"""How far fusion's weights may go from the most accurate ranking toward one for the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats
from tailrank.data.histories import Queries
from tailrank.metrics.ranking import TOP, ndcg
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.reporting import Progress, silent
from tailrank.running import Run, in_order, run_here

EMPHASIS: Final = 8.0
"""How many times as much a query with a target in the tail counts at the far end of the path."""

PATH: Final = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Shares of the way to the far end that are tried."""

MOST_LIFT: Final = 1.0
"""Log-odds by which items without interactions start higher at most; an event takes a fifth of it."""


def query_importances(evidence: Evidence, queries: Queries) -> tuple[Floats, Floats]:
    """Say how much each query counts at the two ends of the path, each of shape (queries,).

    0 if its target is none to learn from; otherwise 1, and `EMPHASIS` for one in the tail at the far end.
    """
    plain = evidence.learnable(queries).astype(np.float32)
    return plain, plain * np.where(evidence.tail[queries.targets], EMPHASIS, 1).astype(np.float32)


class Frontier(NamedTuple):
    """How each point of a path ranks, by full ranking.

    Attributes
    ----------
    gains
        ndcg@10 of each query, shape (points, queries).
    rare
        Whether its target is in the tail, shape (queries,).
    users
        Who asks, shape (queries,).
    new
        Whether its target is seen as new, shape (queries,).
    """

    gains: Doubles
    rare: Bools
    users: Codes
    new: Bools

    @property
    def overall(self) -> Doubles:
        """Mean ndcg@10, shape (points,)."""
        mean: Doubles = self.gains.sum(axis=1) / max(len(self.users), 1)
        return mean

    @property
    def in_tail(self) -> Doubles:
        """Mean ndcg@10 of targets in the tail, shape (points,).

        Where targets aren't on both sides nothing can be weighed, and only the first point has any.
        """
        if self.rare.all() or not self.rare.any():
            return np.where(np.arange(len(self.gains)) == 0, self.overall, -1.0)
        mean: Doubles = self.gains[:, self.rare].mean(axis=1)
        return mean

    def between(self, points: slice) -> Frontier:
        """Keep some points."""
        return self._replace(gains=self.gains[points])


def frontier(
    accurate: Fusion,
    for_tail: Fusion,
    evidence: Evidence,
    queries: Queries,
    max_history: int,
    progress: Progress = silent,
    run: Run = run_here,
) -> Frontier:
    """Rank by the weights along the path from one fusion to another.

    Parameters
    ----------
    accurate, for_tail
        The ends of the path, fitted on other queries.
    evidence
        How items are seen; only those it learns from compete, the arriving ones as new.
    queries
        To rank for.
    max_history
        Latest events that signals see.
    progress
        Is told how many batches of queries are done.
    run
        Who ranks them; gains are the same whoever does.
    """
    queries = queries.take(evidence.learnable(queries))
    path = _Path(accurate, for_tail, evidence, queries, max_history)
    cut = list(queries.cut(len(evidence.fair))) if len(queries) else []
    batches = in_order(run, _Path.gains, path, cut, progress, "choosing weights for the tail")
    gains = np.concatenate([np.zeros((len(PATH), 0)), *batches], axis=1)
    return Frontier(gains, evidence.tail[queries.targets], queries.users, evidence.new[queries.targets])


def best_point(frontiers: Sequence[Frontier], cost: float) -> tuple[int, int]:
    """Choose among the points of several paths.

    Of those that give up no more than a share of the best ndcg@10 of all, that with the best ndcg@10 of
    targets in the tail.

    Parameters
    ----------
    frontiers
        Each measured on the same queries.
    cost
        Share of ndcg@10 that may be given up.

    Returns
    -------
    tuple of int
        Which path, and which of its points; the first of equals.

    Examples
    --------
    >>> gains = np.array([[0.60, 0.20], [0.55, 0.24], [0.30, 0.40]])  # the second target is in the tail
    >>> rare = np.array([False, True])
    >>> path = Frontier(gains, rare, users=np.arange(2), new=rare)
    >>> best_point([path], 0.0), best_point([path], 0.02), best_point([path], 0.2)
    ((0, 0), (0, 1), (0, 2))
    """
    overall, in_tail = np.stack([p.overall for p in frontiers]), np.stack([p.in_tail for p in frontiers])
    affordable = overall >= (1 - cost) * overall.max()
    path, point = divmod(int(np.where(affordable, in_tail, -1.0).argmax()), overall.shape[1])
    return path, point


def best_lift(path: Frontier, cost: float) -> float:
    """Choose how much higher items without interactions start.

    Of the points at which the ndcg@10 of all other targets is lower by no more than a share, that with the
    best ndcg@10 of targets that are seen as new; of equals the highest, as that price may be paid, and where
    data go by time too few targets are new to tell.

    Parameters
    ----------
    path
        From weights to the same ones, lifted by `MOST_LIFT`.
    cost
        Share of the ndcg@10 of other targets that may be given up.

    Returns
    -------
    float
        Log-odds; 0 unless there are targets on both sides.

    Examples
    --------
    >>> gains = np.ones((len(PATH), 2))
    >>> gains[:, 0], gains[:, 1] = 0.6 - 0.04 * np.array(PATH), PATH  # the second target is new
    >>> path = Frontier(gains, rare=np.ones(2, bool), users=np.arange(2), new=np.array([False, True]))
    >>> best_lift(path, 0.0), best_lift(path, 0.01), best_lift(path, 0.2)
    (0.0, 0.125, 1.0)
    """
    if path.new.all() or not path.new.any():
        return 0.0
    new, others = path.gains[:, path.new].mean(axis=1), path.gains[:, ~path.new].mean(axis=1)
    affordable = np.where(others >= (1 - cost) * others[0], new, -1.0)
    return MOST_LIFT * PATH[int(np.flatnonzero(affordable == affordable.max())[-1])]


@dataclass(frozen=True)
class _Path:
    """Queries, and the weights that they are ranked by; the fields are those of `frontier`."""

    accurate: Fusion
    for_tail: Fusion
    evidence: Evidence
    queries: Queries
    max_history: int

    def gains(self, rows: slice) -> Doubles:
        """Give ndcg@10 at each point of the path, shape (points, queries)."""
        batch, evidence = self.queries.take(rows), self.evidence
        histories, at = batch.histories.latest(self.max_history), np.arange(len(batch))
        scores, known = evidence.score(histories), history_buckets(histories.lengths)
        hidden = ~evidence.candidates(batch)
        hidden[at, batch.targets] = False
        ends = (_totals(one, scores, evidence.levels, known) for one in (self.accurate, self.for_tail))
        ahead = (total - total[at, batch.targets][:, None] for total in ends)
        return path_gains(*(np.where(hidden, -np.inf, lead) for lead in ahead))


def _totals(fusion: Fusion, scores: Sequence[Floats], levels: Codes, known: Codes) -> Floats:
    """Add up weighted signals, histories of one bucket at a time; shape (histories, items)."""
    total = np.empty_like(scores[0])
    for bucket in np.unique(known).tolist():
        rows, weights = np.flatnonzero(known == bucket), fusion.weights_of(levels, bucket)
        some = np.repeat(fusion.biases_of(levels, bucket)[None], len(rows), axis=0)
        for weight, values in zip(weights, scores, strict=True):
            some += weight * values[rows]
        total[rows] = some
    return total


def path_gains(start: Floats, end: Floats) -> Doubles:
    """Give ndcg@10 of the targets at each point between two rankings, shape (points, queries).

    Only items that are ahead at one end can be ahead between, and a target with ten items ahead of it at
    both ends has no gain anywhere.

    Parameters
    ----------
    start, end
        How far each item is ahead of the target, shape (queries, items): 0 for the target.

    Examples
    --------
    >>> path_gains(np.array([[0.0, -1.0]]), np.array([[0.0, 1.0]]))[[0, -1], 0].round(2).tolist()
    [1.0, 0.63]
    """
    gains = np.zeros((len(PATH), len(start)))
    not_ahead = ((start <= 0) | (end <= 0)).sum(axis=1)
    (close,) = np.nonzero(start.shape[1] - not_ahead < TOP)
    start, end = start[close], end[close]
    rows, items = np.nonzero((start >= 0) | (end >= 0))
    start, end = start[rows, items], end[rows, items]
    for gain, share in zip(gains, PATH, strict=True):
        ahead = (1 - share) * start + share * end
        above, level = (np.bincount(rows, found, len(close)) for found in (ahead > 0, ahead == 0))
        gain[close] = ndcg(above + (level + 1) / 2)
    return gains
