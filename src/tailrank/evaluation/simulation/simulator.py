"""`Simulation`: users come, lists are shown, clicks are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets
from tailrank.evaluation.simulation.attraction import Attraction
from tailrank.evaluation.simulation.clicks import CLICK_MODELS, ClickModel, ClickModelName
from tailrank.evaluation.simulation.learners import Learner, Randomised, Shown
from tailrank.evaluation.simulation.visits import Visits
from tailrank.metrics.ranking import TOP
from tailrank.reporting import Progress, counted, silent
from tailrank.signals.popularity import DAY

AT_ONCE: Final = 25
"""Lists that are shown before what was learned from them ranks others."""

RANKINGS_A_DAY: Final = 1_000
"""How fast time goes, for what fades with it."""


@dataclass(frozen=True)
class Run:
    """What one learner showed.

    Attributes
    ----------
    columns
        Candidates in the order shown, shape (rankings, places).
    scores
        What they were ordered by, of the same shape.
    propensities
        Chance that each was shown where it was, of the same shape; 1 if it wasn't asked for.
    clicked
        Clicks that were drawn, of the same shape.
    expected
        Clicks to be expected of each ranking, shape (rankings,).
    """

    columns: Codes
    scores: Doubles
    propensities: Doubles
    clicked: Bools
    expected: Doubles


@dataclass(frozen=True)
class Simulation:
    """Who comes, and what they would click; the same for every learner.

    Attributes
    ----------
    visits
        What users come with.
    attraction
        What they like.
    model
        What they examine.
    rows
        Visit of each ranking, shape (rankings,).
    shift
        Rankings before taste shifts.
    luck
        What draws the clicks, shape (rankings, places).
    """

    visits: Visits
    attraction: Attraction
    model: ClickModel
    rows: Offsets
    shift: int
    luck: Doubles

    @classmethod
    def draw(
        cls,
        visits: Visits,
        rankings: int,
        clicks: ClickModelName = "position",
        shift: float | None = None,
        seed: int = 0,
    ) -> Self:
        """Draw who comes, what they like, and how lucky each place is.

        Visits are drawn with replacement, so nothing but the shift changes in the course of the rankings.

        Parameters
        ----------
        visits
            To draw from.
        rankings
            How many lists are shown.
        clicks
            Name of the click model.
        shift
            Share of the rankings before taste shifts; None if it never does.
        seed
            Of all draws.
        """
        likes, arrivals, luck = np.random.default_rng(seed).spawn(3)
        return cls(
            visits,
            Attraction.draw(visits, likes),
            CLICK_MODELS[clicks],
            arrivals.integers(0, len(visits), rankings),
            rankings if shift is None else round(shift * rankings),
            luck.random((rankings, min(TOP, visits.size))),
        )

    def run(
        self,
        learner: Learner,
        progress: Progress = silent,
        task: str = "simulating",
        logged: bool = False,
    ) -> Run:
        """Show lists, draw clicks, and let the learner learn.

        Parameters
        ----------
        learner
            What ranks.
        progress, task
            Called with the number of lists that were shown, under the name of the task.
        logged
            Whether to find out propensities, which may take milliseconds a list.
        """
        blocks = np.array_split(np.arange(len(self.rows)), max(len(self.rows) // AT_ONCE, 1))
        counting = counted(blocks, progress, task, len(self.rows))
        runs = [vars(self._shown(learner, steps, logged)) for steps in counting]
        return Run(**{name: np.concatenate([run[name] for run in runs]) for name in runs[0]})

    def _shown(self, learner: Learner, steps: Offsets, logged: bool) -> Run:
        rows, places = self.rows[steps], self.luck.shape[1]
        scores = learner.scores(rows)
        columns = np.argsort(-scores, axis=1, kind="stable")[:, :places].astype(np.int32)
        attraction = self.attraction_at(steps, columns)
        run = Run(
            columns=columns,
            scores=np.take_along_axis(scores, columns, axis=1),
            propensities=learner.propensities(rows, columns)
            if logged and isinstance(learner, Randomised)
            else np.ones(columns.shape),
            clicked=self.model.clicks(attraction, self.luck[steps]),
            expected=self.model.chances(attraction).sum(axis=1),
        )
        learner.learn(Shown(rows, columns, run.clicked, steps * DAY / RANKINGS_A_DAY))
        return run

    def attraction_at(self, steps: Offsets, columns: Codes) -> Doubles:
        """Give the chance of a click on examined candidates at some rankings; shape of `columns`."""
        rows, later = self.rows[steps], (steps >= self.shift)[:, None]
        before, after = (
            np.take_along_axis(each[rows], columns, axis=1)
            for each in (self.attraction.before, self.attraction.after)
        )
        return np.where(later, after, before)
