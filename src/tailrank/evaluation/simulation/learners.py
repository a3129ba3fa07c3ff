"""What ranks the candidates of visits, and may learn from the clicks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets, Seconds
from tailrank.evaluation.simulation.visits import Visits
from tailrank.feedback.exploring_fusion import Explorer, ExploringFusion
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.policy.base import Policy, Scored
from tailrank.policy.exploration import Exploration
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.signal_values import SignalValues


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


@runtime_checkable
class Randomised(Protocol):
    """A learner that leaves something to chance."""

    def propensities(self, rows: Offsets, columns: Codes) -> Doubles:
        """Give the chance that each candidate was shown where it was, by the latest scores; as `columns`."""
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


@dataclass
class Online:
    """Weights that learn from clicks, and perhaps explore, as those of a server do.

    Attributes
    ----------
    visits
        All of them.
    learned
        What was learned so far.
    explorer
        How to explore; None shows what is likeliest to be best.
    rng
        Of exploration.
    """

    visits: Visits
    learned: OnlineFusion
    explorer: Explorer | None
    rng: np.random.Generator
    fusion: Fusion = field(init=False)
    policy: tuple[Policy, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.fusion, self.policy = self.visits.fusion, self.visits.policy
        if self.explorer and not any(isinstance(step, Exploration) for step in self.policy):
            self.policy = (*self.policy, Exploration())

    @classmethod
    def start(cls, visits: Visits, explorer: Explorer | None = None, seed: int = 0) -> Self:
        """Start at the weights of the model."""
        return cls(visits, OnlineFusion.start(visits.fusion), explorer, np.random.default_rng(seed))

    def scores(self, rows: Offsets) -> Doubles:
        """Publish what was learned, and fuse by it."""
        if self.explorer:
            self.fusion = ExploringFusion.from_online(self.learned, self.explorer, rng=self.rng)
        else:
            self.fusion = self.learned.fusion()
        return self.visits.served(self.fusion, self.policy, rows)

    def propensities(self, rows: Offsets, columns: Codes) -> Doubles:
        """Give 1 unless weights are drawn, and then what further draws say."""
        chances = np.ones(columns.shape)
        if isinstance(self.fusion, ExploringFusion):
            for at, row in enumerate(rows.tolist()):
                fused = self.visits.fused(self.fusion, row)
                scored = Scored(fused.total[0], self.visits.rarity[row])
                signals = SignalValues.from_fused(fused, 0)
                chances[at] = self.fusion.placement_chances(scored, self.policy, signals, columns[at])
        return chances

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
