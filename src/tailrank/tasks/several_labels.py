"""Several labels, or none: topics, problems that a review names."""

from __future__ import annotations

from typing import ClassVar

from tailrank.arrays import Bools
from tailrank.errors import needs
from tailrank.tasks.kinds import WholeText
from tailrank.tasks.predictions import THRESHOLD, Predictions


class SeveralLabels(WholeText):
    """Each text has any number of labels; each label is decided by itself (one against the rest)."""

    name: ClassVar[str] = "several"
    exclusive: ClassVar[bool] = False

    def measure(self, predictions: Predictions, truth: Bools) -> dict[str, float]:
        """Measure F1 over all decisions and by label, and the share of texts with exactly the right labels.

        Parameters
        ----------
        predictions
            Of n texts.
        truth
            Shape (n, labels).
        """
        with needs("measuring a task", "language"):
            from sklearn.metrics import f1_score
        said = predictions.chances >= THRESHOLD
        return {
            "micro-f1": float(f1_score(truth, said, average="micro", zero_division=0)),
            "macro-f1": float(f1_score(truth, said, average="macro", zero_division=0)),
            "exact": float((truth == said).all(axis=1).mean()),
        }
