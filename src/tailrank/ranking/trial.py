"""Whether a signal is worth its place: what the whole ranks like with it and without it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from tailrank.arrays import Bools
from tailrank.metrics.significance import standard_error
from tailrank.ranking.tail_emphasis import Frontier, best_point


class Comparison(NamedTuple):
    """Mean ndcg@10 without and with a signal, and the standard error of the difference."""

    without: float
    whole: float
    error: float

    @property
    def better(self) -> bool:
        """Whether the signal gains more than one standard error.

        By the rule of one standard error the simpler model stands (Breiman et al., "Classification and
        regression trees", 1984, section 3.4.3).
        """
        return self.whole - self.without > self.error


class Trial(NamedTuple):
    """How the whole ranks validation with and without a signal, each as far toward the tail as pays.

    Attributes
    ----------
    kept
        Whether the signal stays: of the points of both paths the best one is a point with it, and it is
        better beyond a standard error, for all targets or for those in the tail.
    queries
        Validation queries that decided.
    overall, in_tail
        Of all targets, and of those in the tail.
    """

    kept: bool
    queries: int
    overall: Comparison
    in_tail: Comparison

    @classmethod
    def of(cls, without: Frontier, whole: Frontier, cost: float) -> Self:
        """Compare two paths on the same queries; `cost` is as in `best_point`."""
        less, more = (path.gains[best_point([path], cost)[1]] for path in (without, whole))

        def compared(rows: Bools) -> Comparison:
            a, b = (float(gains[rows].sum()) / max(int(rows.sum()), 1) for gains in (less, more))
            return Comparison(a, b, standard_error(more[rows], less[rows], whole.users[rows]))

        overall, in_tail = compared(np.ones(len(whole.rare), bool)), compared(whole.rare)
        chosen, _ = best_point([without, whole], cost)
        kept = chosen == 1 and (overall.better or in_tail.better)
        return cls(kept, len(whole.rare), overall, in_tail)
