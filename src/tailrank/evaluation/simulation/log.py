"""The log of a run, in the form of a data folder's impressions."""

from __future__ import annotations

import numpy as np
import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.evaluation.simulation.simulator import Run, Simulation


def impressions(simulation: Simulation, run: Run, dataset: Dataset) -> pl.DataFrame:
    """Write down each item of each list (docs/data.md), ranking by ranking.

    A list has the time at which its user really chose something. Visits are drawn more than once, so the
    same user may have several lists at one time.

    Parameters
    ----------
    simulation, run
        What was shown.
    dataset
        Whose codes the visits have.

    Raises
    ------
    RequestError
        If the data have no timestamps.
    """
    if dataset.clock != "timestamp":
        raise RequestError(f"{dataset.name}: a log needs times, and these events have no `timestamp`")
    visits, rows, places = simulation.visits, simulation.rows, run.columns.shape[1]
    items = np.take_along_axis(visits.items[rows], run.columns, axis=1)
    width = len(str(len(rows)))
    lists = pl.DataFrame(
        {
            Columns.RANKING: [f"simulated-{n:0{width}}" for n in range(len(rows))],
            Columns.USER: dataset.user_ids.gather(visits.users[rows]),
            Columns.TIMESTAMP: visits.times[rows],
        }
    )
    return lists[np.repeat(np.arange(len(rows)), places)].with_columns(
        dataset.items[Columns.ITEM].gather(items.ravel()).alias(Columns.ITEM),
        pl.Series(Columns.POSITION, np.tile(np.arange(1, places + 1), len(rows))),
        pl.Series(Columns.CLICKED, run.clicked.ravel()),
        pl.Series(Columns.SCORE, run.scores.ravel()),
        pl.Series(Columns.PROPENSITY, run.propensities.ravel()),
    )
