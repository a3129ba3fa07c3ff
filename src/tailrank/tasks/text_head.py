"""`TextHead`: chances of labels, by the vectors of texts and, if they help, by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.optimize import minimize

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.tasks.linear_head import BOUNDS, LinearHead, chances_of, log_loss
from tailrank.tasks.words import WordHead


@dataclass(frozen=True)
class TextHead:
    """Heads whose log-odds add up: a logarithmic opinion pool (Genest and Zidek, 1986, section 3.2).

    Attributes
    ----------
    vector
        Reads vectors.
    words
        Reads words; None if they don't help.
    """

    vector: LinearHead
    words: WordHead | None = None

    def log_odds(self, vectors: Floats, texts: Sequence[str]) -> Doubles:
        """Score n texts with their vectors, shape (n, d), after calibration; shape (n, labels)."""
        scaled = self.vector.log_odds(vectors) / self.vector.temperature
        return scaled if self.words is None else scaled + self.words.log_odds(texts)

    def chances(self, vectors: Floats, texts: Sequence[str]) -> Floats:
        """Give calibrated chances of labels, shape (n, labels)."""
        return chances_of(self.log_odds(vectors, texts), self.vector.exclusive)

    def with_words(self, words: WordHead, vectors: Floats, texts: Sequence[str], truth: Bools) -> Self:
        """Add a head that reads words, if the labels of texts that weren't learned from are likelier with it.

        Temperature and share are chosen together, by the log loss, with the prior of `LinearHead.calibrated`
        on each: so words that too few texts speak for are left out.
        """
        of_vectors, of_words = self.vector.log_odds(vectors), words.log_odds(texts)

        def loss(logs: Doubles, share: float) -> float:
            odds = of_vectors / np.exp(logs[0]) + of_words * share
            return log_loss(odds, truth, self.vector.exclusive) + float(logs @ logs) / (2 * len(odds))

        def loss_of_both(logs: Doubles) -> float:
            return loss(logs, float(np.exp(logs[1])))

        found = minimize(loss_of_both, np.zeros(2), bounds=[BOUNDS] * 2)
        if found.fun >= loss(np.log([self.vector.temperature]), 0.0):
            return self
        temperature, share = np.exp(found.x).tolist()
        return replace(
            self, vector=replace(self.vector, temperature=temperature), words=replace(words, share=share)
        )
