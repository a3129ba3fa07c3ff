"""The chance that an entry answers a question, or that none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.tasks.support.likeness import RESPECTS

START: Final = {"phrasing": 15.0, "centre": 5.0, "words": 2.0, "answer": 3.0, "answer_words": 1.0}
NONE: Final = 14.0
"""Where learning starts, and what stays if there is nothing to learn from: rounded, from no data set here."""

PENALTY: Final = 0.02
"""Of squared distance from the start, beside the log likelihood of all questions."""


@dataclass(frozen=True)
class Chances:
    """A conditional logit model (McFadden, 1974) with one more choice: that no entry answers.

    Attributes
    ----------
    weights
        Of each respect, not below 0, shape (RESPECTS,).
    none
        Utility of no entry.
    """

    weights: Doubles
    none: float

    @classmethod
    def start(cls) -> Self:
        """Make one that has learned nothing."""
        return cls(np.array([START[name] for name in RESPECTS]), NONE)

    @classmethod
    def fit(cls, likeness: Floats, right: Codes, importance: Doubles, removed: Codes) -> Self:
        """Learn from questions whose entry is known.

        Parameters
        ----------
        likeness
            Shape (questions, entries, RESPECTS).
        right
            Position of the entry that answers, -1 if none does, shape (questions,).
        importance
            Of each question, shape (questions,).
        removed
            Position of an entry that a question does without, -1 for none, shape (questions,).
        """
        from scipy.optimize import minimize

        values, start = likeness.astype(np.float64), cls.start()
        rows, origin = np.arange(len(right)), np.append(start.weights, start.none)

        def loss(theta: Doubles) -> tuple[float, Doubles]:
            p = cls(theta[:-1], float(theta[-1])).of(likeness, removed)
            chosen = np.where(right < 0, 1 - p.sum(axis=1), p[rows, right])
            away = theta - origin
            mean = np.einsum("qe,qer->qr", p, values)
            target = np.where(right[:, None] < 0, 0.0, values[rows, right])
            slope = importance @ (mean - target)
            slope_none = importance @ ((1 - p.sum(axis=1)) - (right < 0))
            total = -importance @ np.log(np.maximum(chosen, 1e-12)) + PENALTY / 2 * away @ away
            return float(total), np.append(slope, slope_none) + PENALTY * away

        bounds = [(0.0, None)] * len(RESPECTS) + [(None, None)]
        found = minimize(loss, origin, jac=True, method="L-BFGS-B", bounds=bounds).x
        return cls(found[:-1], float(found[-1]))

    def of(self, likeness: Floats, removed: Codes | None = None, lift: Floats | None = None) -> Doubles:
        """Give the chance of each entry; what they lack to 1 is the chance that none answers.

        Parameters
        ----------
        likeness
            Shape (questions, entries, RESPECTS).
        removed
            As in `fit`.
        lift
            Added to the utilities, shape (questions, entries).

        Returns
        -------
        Doubles
            Shape (questions, entries).
        """
        utility = likeness @ self.weights - self.none
        if lift is not None:
            utility = utility + lift
        if removed is not None:
            utility[removed >= 0, removed[removed >= 0]] = -np.inf
        highest = np.maximum(utility.max(axis=1, keepdims=True), 0)
        raised = np.exp(utility - highest)
        found: Doubles = raised / (raised.sum(axis=1, keepdims=True) + np.exp(-highest))
        return found


def certainty(chances: Doubles, tie: float) -> Doubles:
    """Say how sure the best entry of each question is: its chance, or 0 if the second ties with it.

    Parameters
    ----------
    chances
        Shape (questions, entries), of at least two entries.
    tie
        Share of the best chance from which on the second ties.

    Returns
    -------
    Doubles
        Shape (questions,).

    Examples
    --------
    >>> certainty(np.array([[0.7, 0.1], [0.4, 0.5]]), 0.5)
    array([0.7, 0. ])
    """
    second, first = np.sort(chances, axis=1)[:, -2:].T
    return np.where(second < tie * first, first, 0.0)
