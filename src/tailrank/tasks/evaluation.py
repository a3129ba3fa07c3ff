"""How well a task does on examples that it didn't learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailrank.arrays import Bools
from tailrank.errors import RequestError, needs
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.examples import Examples
from tailrank.tasks.labelling import truth_of
from tailrank.tasks.predictions import THRESHOLD, Predictions


@dataclass(frozen=True)
class TaskEvaluation:
    """Answers beside what is true.

    Attributes
    ----------
    predictions
        Of texts that belong to the task, n.
    truth
        Shape (n, labels).
    metrics
        Those of the kind; with texts from outside the scope also how well they are told apart.
    exclusive
        Whether each text has one label.
    """

    predictions: Predictions
    truth: Bools
    metrics: dict[str, float]
    exclusive: bool

    def by_label(self) -> dict[str, Any]:
        """Give precision, recall and F1 by label: scikit-learn's `classification_report`."""
        with needs("a report by label", "language"):
            from sklearn.metrics import classification_report
        names = list(self.predictions.labels)
        found: dict[str, Any] = classification_report(
            self.truth, self._decided(), target_names=names, output_dict=True, zero_division=0
        )
        return {name: found[name] for name in names}

    def plot(self, file: Path) -> None:
        """Draw the confusion matrix, each row divided by its texts; the file's ending chooses the format.

        Raises
        ------
        RequestError
            If matplotlib is missing, or a text may have several labels.
        """
        with needs("a plot", "report"):
            from matplotlib.figure import Figure
        if not self.exclusive:
            raise RequestError("a confusion matrix needs one label a text")
        names, n = self.predictions.labels, len(self.predictions.labels)
        counts = self.truth.T.astype(float) @ self._decided()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        side = max(4.0, 0.16 * n)
        figure = Figure((side + 1.5, side + 1), layout="constrained")
        axes = figure.add_subplot(xlabel="answer", ylabel="label")
        drawn = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        size = 9 if n < 20 else 5
        axes.set_xticks(range(n), names, rotation=90, fontsize=size)
        axes.set_yticks(range(n), names, fontsize=size)
        figure.colorbar(drawn, label="share of the label's texts", shrink=0.6)
        figure.savefig(file, format=file.suffix[1:])

    def _decided(self) -> Bools:
        """Mark the labels that each text is given, shape (n, labels)."""
        chances = self.predictions.chances
        if not self.exclusive:
            above: Bools = chances >= THRESHOLD
            return above
        best: Bools = np.eye(chances.shape[1], dtype=bool)[chances.argmax(axis=1)]
        return best


def evaluate_task(
    classifier: TextClassifier, examples: Examples, outside: str | None = None
) -> TaskEvaluation:
    """Measure a classifier.

    Parameters
    ----------
    classifier
        Fitted to other examples.
    examples
        With labels.
    outside
        The label, if any, of texts that belong to none of the task's.

    Raises
    ------
    RequestError
        If a label was not learned, none is left, or no example has the label `outside`.
    """
    is_outside = np.array([outside is not None and outside in row for row in examples.labels])
    if outside is not None and not is_outside.any():
        raise RequestError(f"no example has the label {outside!r}: name one that is there, or leave it out")
    inside = examples.take(np.flatnonzero(~is_outside).astype(np.int32))
    if not len(inside):
        raise RequestError("no examples to measure: give some with labels that were learned")
    truth = truth_of(inside.labels, classifier.labels, classifier.kind, inside.rows)
    predictions = classifier.predict(inside.texts, inside.entities)
    metrics = classifier.kind.measure(predictions, truth)
    if predictions.refused is not None:
        metrics["refused"] = float(predictions.refused.mean())
    if is_outside.any():
        others = examples.take(np.flatnonzero(is_outside).astype(np.int32))
        metrics |= told_apart(predictions, classifier.predict(others.texts, others.entities))
    return TaskEvaluation(predictions, truth, metrics, classifier.kind.exclusive)


def told_apart(inside: Predictions, outside: Predictions) -> dict[str, float]:
    """Measure how well texts from outside are told apart: AUROC of the score, F1 of what is refused."""
    with needs("measuring a task", "language"):
        from sklearn.metrics import f1_score, roc_auc_score
    is_outside = np.repeat([False, True], [len(inside), len(outside)])
    scores = np.concatenate([np.asarray(each.scope) for each in (inside, outside)])
    refused = np.concatenate([np.asarray(each.refused) for each in (inside, outside)])
    return {
        "outside auroc": float(roc_auc_score(is_outside, -scores)),
        "outside f1": float(f1_score(is_outside, refused, zero_division=0)),
        "outside recall": float(refused[is_outside].mean()),
    }
