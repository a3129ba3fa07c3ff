"""What ranks the candidates of visits, and may learn from the clicks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets, Seconds
from tailrank.evaluation.simulation.visits import Visits
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.exploring_fusion import Explorer, ExploringFusion
from tailrank.feedback.guard import Decision, Guard
from tailrank.feedback.impressions import Impression
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.policy.exploration import Exploration, explored_last
from tailrank.ranking.explored import Explored
from tailrank.ranking.fusion import Fusion


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
    """Weights that learn from clicks, and perhaps explore.

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
    guard
        What decides whether learned weights come into service, as in a server; None lets all of them.
    decisions
        Those of the guard so far.
    """

    visits: Visits
    learned: OnlineFusion
    explorer: Explorer | None
    rng: np.random.Generator
    guard: Guard | None = None
    decisions: list[Decision] = field(default_factory=list)
    fusion: Fusion = field(init=False)
    policy: tuple[Policy, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.fusion, self.policy = self.visits.fusion, self.visits.policy
        if self.explorer:
            own = [step for step in self.policy if isinstance(step, Exploration)]
            self.policy = explored_last(self.policy, *(own[:1] or [Exploration()]))

    @classmethod
    def start(
        cls, visits: Visits, explorer: Explorer | None = None, seed: int = 0, guarded: bool = False
    ) -> Self:
        """Start at the weights of the model."""
        learned = OnlineFusion.start(visits.fusion)
        return cls(
            visits, learned, explorer, np.random.default_rng(seed), Guard(learned) if guarded else None
        )

    def scores(self, rows: Offsets) -> Doubles:
        """Publish what was learned, unless a guard is to decide on that, and fuse by it."""
        served = self.guard.served if self.guard else self.learned.fusion()
        if self.explorer:
            exploring = ExploringFusion.from_online(self.learned, self.explorer, rng=self.rng)
            served = replace(exploring, weights=served.weights, biases=served.biases)
        self.fusion = served
        return self.visits.served(self.fusion, self.policy, rows)

    def propensities(self, rows: Offsets, columns: Codes) -> Doubles:
        """Give 1 unless weights are drawn, and then what further draws say."""
        if not isinstance(self.fusion, ExploringFusion):
            return np.ones(columns.shape)
        return np.stack([self._chances(self.fusion, *each) for each in zip(rows, columns, strict=True)])

    def _chances(self, fusion: ExploringFusion, row: int, columns: Codes) -> Doubles:
        """Give the chances of one list, whatever is drawn meanwhile."""
        fused = self.visits.fused(fusion, row)
        wish = fusion.wish(fused, 0)
        scored = apply_all(self.policy, Scored(fused.total[0], self.visits.rarity[row], bonus=wish.bonus))
        explored = Explored.from_scored(scored, self.policy, wish, int(self.visits.buckets[row]))
        if scored.explored is None or explored is None:
            return np.ones(len(columns))
        places = np.empty(self.visits.size, np.int64)
        places[scored.explored.best] = np.arange(len(explored.scores))
        return explored._replace(order=places[columns[: len(explored.scores)]]).chances(len(columns))

    def learn(self, shown: Shown) -> None:
        """Learn from each list in which something was clicked."""
        clicked = np.flatnonzero(shown.clicked.any(axis=1))
        outcomes = [Outcome(self._impression(shown, at), shown.clicked[at], {}) for at in clicked.tolist()]
        if self.guard:
            self.decisions += self.guard.learn(outcomes)
        else:
            self.learned.learn(outcomes)

    def _impression(self, shown: Shown, at: int) -> Impression:
        """Write down as much of a list as learning reads."""
        visits, row, columns = self.visits, shown.rows[at], shown.columns[at]
        n = len(columns)
        return Impression(
            ranking_id="",
            user_id=str(visits.users[row]),
            time=float(shown.times[at]),
            model="",
            item_ids=[""] * n,
            previous_ranks=np.arange(1, n + 1),
            scores=np.full(n, np.nan),
            signals=visits.signals[row, columns],
            signal_names=visits.fusion.signals,
            count_levels=visits.levels[row, columns],
            history_bucket=int(visits.buckets[row]),
            propensities=np.ones(n),
        )
