"""What a classifier says of texts: calibrated chances of labels, and which texts it would rather refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Floats

THRESHOLD: Final = 0.5
"""Chance from which on a text has a label, if it may have several."""


@dataclass(frozen=True)
class Predictions:
    """Chances of labels, one row a text.

    Attributes
    ----------
    labels
        Names of the classes, sorted.
    chances
        Calibrated, shape (texts, labels). If a text has one label of many they sum to 1; if it may have
        several, each is a chance of its own.
    scope
        How much each text is like those that were learned from, shape (texts,); higher is more alike. None
        if the classifier can't tell.
    refused
        Which texts are outside the scope, shape (texts,); None as above.
    """

    labels: tuple[str, ...]
    chances: Floats
    scope: Floats | None = None
    refused: Bools | None = None

    def best(self) -> list[tuple[str, float]]:
        """Give the most likely label of each text, and its chance.

        Examples
        --------
        >>> Predictions(("no", "yes"), np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)).best()
        [('yes', 0.75), ('no', 0.5)]
        """
        return [first for [first] in self.likeliest(1)]

    def likeliest(self, count: int) -> list[list[tuple[str, float]]]:
        """Give the first so many labels of each text with their chances, the likeliest first.

        Examples
        --------
        >>> Predictions(("a", "b", "c"), np.array([[0.25, 0.5, 0.25]], np.float32)).likeliest(2)
        [[('b', 0.5), ('a', 0.25)]]
        """
        at = np.argsort(-self.chances, axis=1, kind="stable")[:, :count]
        chances = np.take_along_axis(self.chances, at, axis=1).tolist()
        names = [[self.labels[label] for label in row] for row in at.tolist()]
        return [list(zip(*each, strict=True)) for each in zip(names, chances, strict=True)]

    def above(self, threshold: float = THRESHOLD) -> list[tuple[str, ...]]:
        """Give all labels of each text whose chance is at least the threshold.

        Examples
        --------
        >>> Predictions(("fee", "tone"), np.array([[0.75, 0.5], [0.5, 0.25]], np.float32)).above(0.5)
        [('fee', 'tone'), ('fee',)]
        """
        rows = self.chances >= threshold
        return [tuple(self.labels[at] for at in np.flatnonzero(row)) for row in rows]

    def __len__(self) -> int:
        return len(self.chances)
