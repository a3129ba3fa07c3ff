"""Others that learn from clicks: LinUCB, and LambdaMART retrained every day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self

import lightgbm
import numpy as np

from tailrank.arrays import Doubles, Offsets
from tailrank.evaluation.simulation.learners import Shown
from tailrank.evaluation.simulation.visits import Visits
from tailrank.feedback.learning_settings import examination_by_rank
from tailrank.signals.popularity import DAY

WINDOW: Final = 20
"""Days of the log that LambdaMART is trained on."""

TREES: Final = 40

PARAMETERS: Final = {
    "objective": "lambdarank",
    "learning_rate": 0.1,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "lambdarank_truncation_level": 10,
    "num_threads": 1,
    "force_col_wise": True,
    "deterministic": True,
    "verbosity": -1,
}


def features(visits: Visits) -> Doubles:
    """Give what both know of a candidate: the model's score, and its signals; (visits, candidates, features).

    Each has standard deviation 1, the score within its list.
    """
    scores = visits.scores - visits.scores.mean(axis=1, keepdims=True)
    return np.concatenate([(scores / scores.std())[..., None], visits.standardised], axis=2)


@dataclass
class LinUCB:
    """One linear model of clicks for all items, ranked by its upper bound (Li et al., 2010, algorithm 1).

    Features of a place that is examined with chance q count q times (Lagrée et al., 2016).

    Attributes
    ----------
    known
        Features and a constant, shape (visits, candidates, features + 1).
    alpha
        Standard deviations of the bound.
    precision, sums
        What it has learned, shapes (features + 1, features + 1) and (features + 1,).
    """

    known: Doubles
    alpha: float
    precision: Doubles
    sums: Doubles

    @classmethod
    def start(cls, visits: Visits, alpha: float = 0.1) -> Self:
        """Start with a ridge of 1."""
        known = features(visits)
        known = np.concatenate([known, np.ones((*known.shape[:2], 1))], axis=2)
        return cls(known, alpha, np.eye(known.shape[2]), np.zeros(known.shape[2]))

    def scores(self, rows: Offsets) -> Doubles:
        """Give the upper bounds."""
        x, covariance = self.known[rows], np.linalg.inv(self.precision)
        spread: Doubles = np.sqrt(((x @ covariance) * x).sum(axis=2))
        return x @ (covariance @ self.sums) + self.alpha * spread

    def learn(self, shown: Shown) -> None:
        """Add the examples up."""
        examined = examination_by_rank(shown.columns.shape[1])[None, :, None]
        x = self.known[shown.rows[:, None], shown.columns] * examined
        self.precision += np.einsum("rcd,rce->de", x, x)
        self.sums += np.einsum("rcd,rc->d", x, shown.clicked)


@dataclass
class LambdaMART:
    """LightGBM's LambdaMART, retrained every day on its own latest log, with a correction by position.

    Before its first day is over it ranks as the model does.

    Attributes
    ----------
    visits
        All of them.
    known
        Features, the interactions of the item and the length of the history; (visits, candidates, features).
    log
        Lists with a click.
    booster
        What the latest day learned.
    day
        The one that goes on.
    """

    visits: Visits
    known: Doubles
    log: list[Shown] = field(default_factory=list)
    booster: Any = None
    day: int = 0

    @classmethod
    def start(cls, visits: Visits) -> Self:
        """Start with nothing learned."""
        lengths = np.broadcast_to(visits.buckets[:, None], visits.levels.shape)
        return cls(
            visits, np.concatenate([features(visits), np.stack([visits.levels, lengths], axis=2)], axis=2)
        )

    def scores(self, rows: Offsets) -> Doubles:
        """Predict."""
        if self.booster is None:
            return self.visits.scores[rows]
        x = self.known[rows]
        found: Doubles = self.booster.predict(x.reshape(-1, x.shape[2]), num_threads=1).reshape(x.shape[:2])
        return found

    def learn(self, shown: Shown) -> None:
        """Write the lists down; train if a day is over."""
        today = int(shown.times[-1] // DAY)
        if today > self.day:
            self.day = today
            self.log = [each for each in self.log if each.times[-1] >= (today - WINDOW) * DAY]
            self._train()
        at = shown.clicked.any(axis=1)
        if at.any():
            self.log.append(Shown(shown.rows[at], shown.columns[at], shown.clicked[at], shown.times[at]))

    def _train(self) -> None:
        rows, columns, clicked = (
            np.concatenate([getattr(each, name) for each in self.log])
            for name in ("rows", "columns", "clicked")
        )
        x = self.known[rows[:, None], columns]
        lists, places = columns.shape
        log = lightgbm.Dataset(
            x.reshape(lists * places, -1),
            clicked.ravel().astype(int),
            group=np.full(lists, places),
            position=np.tile(np.arange(places), lists),
        )
        self.booster = lightgbm.train(dict(PARAMETERS), log, TREES)
