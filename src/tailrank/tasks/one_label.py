"""One label of many: intents, queues, sentiments."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tailrank.arrays import Bools
from tailrank.errors import needs
from tailrank.tasks.kinds import WholeText
from tailrank.tasks.predictions import Predictions


class OneLabel(WholeText):
    """Each text has one label."""

    name: ClassVar[str] = "one"
    exclusive: ClassVar[bool] = True

    def measure(self, predictions: Predictions, truth: Bools) -> dict[str, float]:
        """Measure accuracy, macro-F1, log loss and expected calibration error.

        Parameters
        ----------
        predictions
            Of n texts.
        truth
            Shape (n, labels).
        """
        with needs("measuring a task", "language"):
            from sklearn.metrics import f1_score
        right, said = truth.argmax(axis=1), predictions.chances.argmax(axis=1)
        chance = predictions.chances[np.arange(len(right)), right].astype(np.float64)
        return {
            "accuracy": float((right == said).mean()),
            "macro-f1": float(f1_score(right, said, average="macro", zero_division=0)),
            "log-loss": float(-np.log(chance.clip(1e-12)).mean()),
            "calibration-error": calibration_error(predictions, right == said),
        }


def calibration_error(predictions: Predictions, correct: Bools, bins: int = 15) -> float:
    """Average how far chances of the best label are from how often it is right.

    The expected calibration error of Guo et al. (ICML 2017, eq. 3), in bins of equal width.

    Parameters
    ----------
    predictions
        Of n texts.
    correct
        Whether the best label is right, shape (n,).
    bins
        How many.

    Examples
    --------
    >>> sure = Predictions(("a", "b"), np.array([[0.8, 0.2]] * 5, np.float32))
    >>> round(calibration_error(sure, np.array([True, True, True, True, False])), 3)
    0.0
    """
    chances = predictions.chances.max(axis=1).astype(np.float64)
    at = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = np.bincount(at, chances - correct, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(chances), 1))
