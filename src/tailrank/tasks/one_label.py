"""One label of many: intents, queues, sentiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tailrank.arrays import Bools
from tailrank.errors import RequestError, needs
from tailrank.tasks.predictions import Predictions


class OneLabel:
    """Each text has one label."""

    name: ClassVar[str] = "one"
    exclusive: ClassVar[bool] = True
    templates: ClassVar[tuple[str, ...]] = ("{text}",)
    metric: ClassVar[str] = "accuracy"

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Give the texts as they are."""
        refuse_entities(entities, self.name)
        return list(texts)

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


def refuse_entities(entities: Sequence[str] | None, kind: str) -> None:
    """Refuse entities where the label is about the whole text.

    Raises
    ------
    RequestError
        If there are any.
    """
    if entities is not None:
        raise RequestError(f"a task of the kind {kind!r} reads no entities: leave them out, or use `entity`")


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
