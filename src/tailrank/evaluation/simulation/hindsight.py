"""The best that one could have done with weights that stay the same."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.arrays import Doubles
from tailrank.evaluation.simulation.learners import Fixed
from tailrank.evaluation.simulation.simulator import Simulation

STARTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the shift that the search may start from."""

STEPS: Final = (0.4, 0.2, 0.1, 0.05)
"""By how much a weight is changed, in turn."""


def best_weights(simulation: Simulation) -> Doubles:
    """Find what to add to the model's weights so that most clicks were to be expected in all rankings.

    By a pattern search (Hooke and Jeeves, 1961) from the best point between the taste before the shift and
    the one after it, so it knows all that is to come.

    Returns
    -------
    Doubles
        For each standardised signal, shape (signals,).
    """
    change = simulation.attraction.change
    best = max((share * change for share in STARTS), key=lambda start: _clicks(simulation, start))
    most = _clicks(simulation, best)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for move in step * np.concatenate([np.eye(len(change)), -np.eye(len(change))]):
                clicks = _clicks(simulation, best + move)
                if clicks > most:
                    best, most, improved = best + move, clicks, True
    return best


def _clicks(simulation: Simulation, change: Doubles) -> float:
    """Give the clicks to be expected of all rankings, each visit being ranked once."""
    visits, attraction, places = simulation.visits, simulation.attraction, simulation.luck.shape[1]
    scores = Fixed.with_weights(visits, change).all_scores
    columns = np.argsort(-scores, axis=1, kind="stable")[:, :places]
    parts = (
        (attraction.before, simulation.rows[: simulation.shift]),
        (
            attraction.after,
            simulation.rows[simulation.shift :],
        ),
    )
    return sum(
        float(
            np.bincount(rows, minlength=len(visits))
            @ simulation.model.chances(np.take_along_axis(chances, columns, axis=1)).sum(axis=1)
        )
        for chances, rows in parts
    )
