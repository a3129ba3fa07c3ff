"""What a run is worth, with intervals over users."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Doubles
from tailrank.evaluation.simulation.simulator import Run, Simulation
from tailrank.metrics.ranking import ndcg
from tailrank.metrics.significance import Difference, paired_bootstrap

METRICS: Final = ("clicks", "regret", "ndcg@10", "tail share")


def values(simulation: Simulation, run: Run, best: Run) -> dict[str, Doubles]:
    """Give `METRICS` of each ranking, each of shape (rankings,).

    `clicks` are those to be expected; `regret` is how many fewer these are than under the best fixed weights;
    `ndcg@10` is that of the item which the user really chose; `tail share` that of the items shown.

    Parameters
    ----------
    simulation
        Of both runs.
    run
        To be measured.
    best
        That of the best fixed weights in hindsight.
    """
    rows, columns = simulation.rows, run.columns
    hits = columns == simulation.visits.chosen[rows][:, None]
    gains = np.where(hits, ndcg(np.arange(1, columns.shape[1] + 1)), 0).sum(axis=1)
    tail = np.take_along_axis(simulation.visits.tail[rows], columns, axis=1).mean(axis=1)
    return dict(zip(METRICS, (run.expected, best.expected - run.expected, gains, tail), strict=True))


def bounded(simulation: Simulation, found: Doubles) -> Difference:
    """Average values of rankings, shape (rankings,), with a 95% interval over users.

    The interval is the mean itself if only one user came.
    """
    users = simulation.visits.users[simulation.rows]
    mean = float(found.mean())
    return paired_bootstrap(found, np.zeros_like(found), users) or Difference(mean, mean, mean)
