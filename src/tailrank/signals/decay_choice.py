"""How the recency decay of a signal is chosen: by ranking the whole catalogue under each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.metrics.ranking import target_ranks
from tailrank.reporting import silent
from tailrank.running import Run, in_order, run_here
from tailrank.signals.recency_decay import DecayedSum
from tailrank.signals.training_data import TrainingData

RECENCY_DECAYS: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Exponents to choose among: from every event counting the same to little but the latest."""

DECAY_QUERIES: Final = 1_000
"""Validation queries that a recency decay is chosen by, at most."""

Decayed = TypeVar("Decayed", bound=DecayedSum)


def with_best_recency_decay(
    signal: Decayed,
    queries: Queries,
    n_items: int,
    max_history: int,
    repeats: bool,
    prior: Floats | None = None,
    run: Run = run_here,
) -> Decayed:
    """Choose the recency decay under which the signal, with nothing but the prior, ranks the targets best.

    Measured by ndcg over the whole catalogue without a cut-off, which is steadier than ndcg@10.

    Parameters
    ----------
    signal
        Fitted without the queries' targets.
    queries
        Validation queries.
    n_items
        Size of the catalogue.
    max_history
        Latest events that the signal sees.
    repeats
        Whether items of the history are candidates.
    prior
        Added to every score, shape (items,).
    run
        Who ranks the queries; the choice is the same whoever does.
    """
    level = np.zeros(n_items, np.float32) if prior is None else prior
    trial, n = _Trial(signal, queries, max_history, repeats, level, np.sort(level)), len(RECENCY_DECAYS)
    cut = list(queries.cut(n * n_items))
    gains = sum(in_order(run, _Trial.gains, trial, cut, silent, "choosing a recency decay"), np.zeros(n))
    return replace(signal, recency_decay=RECENCY_DECAYS[int(gains.argmax())])


@dataclass(frozen=True)
class _Trial:
    """Ranks under all recency decays at once.

    Attributes
    ----------
    signal
        Whose recency decay doesn't matter.
    queries, max_history, repeats
        As for `with_best_recency_decay`.
    prior, ascending
        What an item scores that the history doesn't reach, shape (items,); and the same, sorted.
    """

    signal: DecayedSum
    queries: Queries
    max_history: int
    repeats: bool
    prior: Floats
    ascending: Floats

    def gains(self, rows: slice) -> Doubles:
        """Sum the ndcg of the targets of some queries, shape (decays,)."""
        batch = self.queries.take(rows)
        histories, full = batch.histories.latest(self.max_history), batch.full_histories
        candidates = self._candidates(histories, batch)
        scores = self.signal.sums_under(RECENCY_DECAYS, histories, candidates)
        if self.prior.any():  # else the logarithm changes no order
            np.log1p(scores, out=scores)
            scores += self.prior.take(candidates.codes)
        _, targets = candidates.find(batch.targets)
        target = scores[:, np.arange(len(batch)), targets].ravel()
        if not self.repeats:
            at, hidden = candidates.find(full.items)
            scores[:, full.owners[at], hidden] = -np.inf
        ranks = target_ranks(scores.reshape(-1, len(candidates)), np.tile(targets, len(RECENCY_DECAYS)))
        if not candidates.whole:
            reached = np.sort(self.prior.take(candidates.codes))
            ranks += _ahead(self.ascending, target) - _ahead(reached, target)
        summed: Doubles = (1 / np.log2(1 + ranks)).reshape(len(RECENCY_DECAYS), -1).sum(axis=1)
        return summed

    def _candidates(self, histories: Histories, batch: Queries) -> Candidates:
        """Leave out items that score their prior and nothing more, if they are most of the catalogue."""
        n_items, reached = len(self.prior), self.signal.reached(histories.items)
        if reached is not None:
            marks = np.zeros(n_items, bool)
            for codes in (reached, batch.targets, batch.full_histories.items):
                marks[codes] = True
            codes = np.flatnonzero(marks).astype(np.int32)
            if 2 * len(codes) < n_items:
                return Candidates(codes, n_items)
        return Candidates.everything(n_items)


def _ahead(ascending: Floats, of: Floats) -> Doubles:
    """Count the sorted values above each of some others, equal ones half; shape (others,)."""
    above = len(ascending) - np.searchsorted(ascending, of, side="right")
    level = len(ascending) - np.searchsorted(ascending, of, side="left") - above
    found: Doubles = above + level / 2
    return found


def fit_recency_decay(signal: Decayed, data: TrainingData, prior: Floats | None = None) -> Decayed:
    """Choose the recency decay on a sample of the validation queries; see `with_best_recency_decay`."""
    queries = data.validation.sample(DECAY_QUERIES, data.seed)
    n_items, repeats = data.split.train.n_items, data.split.repeats
    return with_best_recency_decay(signal, queries, n_items, data.max_history, repeats, prior, data.run)
