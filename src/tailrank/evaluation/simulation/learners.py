"""What ranks the candidates of visits, and may learn from the clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets, Seconds
from tailrank.evaluation.simulation.visits import Visits
from tailrank.feedback.online_fusion import OnlineFusion


@dataclass(frozen=True)
class Shown:
    """Lists that were shown, and what was clicked.

    Attributes
    ----------
    rows
        Visit of each list, shape (lists,).
    columns
        Candidates in the order shown, shape (lists, places).
    clicked
        Shape (lists, places).
    times
        Seconds since the first list, shape (lists,).
    """

    rows: Offsets
    columns: Codes
    clicked: Bools
    times: Seconds


class Learner(Protocol):
    """Ranks, and may learn."""

    def scores(self, rows: Offsets) -> Doubles:
        """Score the candidates of some visits; shape (rows, candidates)."""
        ...

    def learn(self, shown: Shown) -> None:
        """Learn from lists that were ranked by the latest scores."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Scores that nothing changes.

    Attributes
    ----------
    all_scores
        Shape (visits, candidates).
    """

    all_scores: Doubles

    @classmethod
    def with_weights(cls, visits: Visits, change: Doubles) -> Self:
        """Rank by the model with other weights.

        Parameters
        ----------
        visits
            All of them.
        change
            What is added to the weight of each standardised signal, shape (signals,).
        """
        return cls(visits.scores + visits.standardised @ change)

    def scores(self, rows: Offsets) -> Doubles:
        """Look the scores up."""
        return self.all_scores[rows]

    def learn(self, shown: Shown) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Online:
    """Weights that learn from clicks as those of a server do.

    Attributes
    ----------
    visits
        All of them.
    learned
        The posterior, which `learn` changes.
    """

    visits: Visits
    learned: OnlineFusion

    def scores(self, rows: Offsets) -> Doubles:
        """Fuse by the latest weights."""
        return self.visits.served(self.learned.fusion(), self.visits.policy, rows)

    def learn(self, shown: Shown) -> None:
        """Learn from each list in which something was clicked."""
        for at in np.flatnonzero(shown.clicked.any(axis=1)):
            row, columns = shown.rows[at], shown.columns[at]
            self.learned.update(
                self.visits.signals[row, columns],
                self.visits.levels[row, columns],
                int(self.visits.buckets[row]),
                shown.clicked[at].astype(np.float64),
                float(shown.times[at]),
            )
