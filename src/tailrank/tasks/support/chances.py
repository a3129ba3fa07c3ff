"""The chance that an entry answers a question, or that none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats
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
    def fit(cls, sample: Sample, importance: Doubles) -> Self:
        """Learn from questions, each of some importance, shape (questions,)."""
        from scipy.optimize import minimize

        values, right, start = sample.likeness.astype(np.float64), sample.right, cls.start()
        rows, origin = np.arange(len(right)), np.append(start.weights, start.none)
        target = np.where(right[:, None] < 0, 0.0, values[rows, right])

        def loss(theta: Doubles) -> tuple[float, Doubles]:
            p = cls(theta[:-1], float(theta[-1])).of(values, sample.removed)
            none, away = 1 - p.sum(axis=1), theta - origin
            chosen = np.where(right < 0, none, p[rows, right])
            mean = np.einsum("qe,qer->qr", p, values)
            slope = np.append(importance @ (mean - target), importance @ (none - (right < 0)))
            total = -importance @ np.log(np.maximum(chosen, 1e-12)) + PENALTY / 2 * away @ away
            return float(total), slope + PENALTY * away

        bounds = [(0.0, None)] * len(RESPECTS) + [(None, None)]
        found = minimize(loss, origin, jac=True, method="L-BFGS-B", bounds=bounds).x
        return cls(found[:-1], float(found[-1]))

    def of(self, likeness: Floats | Doubles, removed: Codes | None = None) -> Doubles:
        """Give the chance of each entry; what they lack to 1 is the chance that none answers.

        Parameters
        ----------
        likeness
            Shape (questions, entries, RESPECTS).
        removed
            As in `Sample`.

        Returns
        -------
        Doubles
            Shape (questions, entries).
        """
        utility = likeness @ self.weights - self.none
        if removed is not None:
            utility[removed >= 0, removed[removed >= 0]] = -np.inf
        highest = np.maximum(utility.max(axis=1, keepdims=True), 0)
        raised = np.exp(utility - highest)
        found: Doubles = raised / (raised.sum(axis=1, keepdims=True) + np.exp(-highest))
        return found


@dataclass(frozen=True)
class Sample:
    """Questions whose entry is known.

    Attributes
    ----------
    likeness
        Shape (questions, entries, RESPECTS).
    right
        Position of the entry that answers, -1 if none does, shape (questions,).
    removed
        Position of an entry that the question does without, so that none answers it; -1 for none.
    """

    likeness: Floats
    right: Codes
    removed: Codes

    def judged(self, chances: Chances, tie: float) -> tuple[Doubles, Bools]:
        """Say of each question how sure the best entry is, and whether it is right."""
        found = chances.of(self.likeness, self.removed)
        best = found.argmax(axis=1)
        return certainty(found, tie), (best == self.right) & (self.removed < 0)


def lifted(chances: Doubles, lift: Floats) -> Doubles:
    """Give the chances that there would be if the utility of each entry were higher; shape (entries,).

    Examples
    --------
    >>> lifted(np.array([0.2, 0.4]), np.log(np.array([3.0, 1.0], np.float32))).round(3)
    array([0.429, 0.286])
    """
    raised = chances * np.exp(lift.astype(np.float64))
    found: Doubles = raised / (raised.sum() + max(1 - chances.sum(), 0))
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
