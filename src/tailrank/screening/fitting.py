"""Fits the classifier of a screen to labelled texts, and measures it by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import RequestError, needs
from tailrank.language.vectors import EncoderIdentity
from tailrank.screening.screen import Screen

FOLDS: Final = 5
PENALTIES: Final = (1.0, 10.0, 100.0)
"""Inverse strengths of the penalty that are tried; vectors are of length one."""


class FittedClassifier(NamedTuple):
    """A logistic regression, and how it scores texts that it didn't learn from.

    Attributes
    ----------
    weights, bias
        Shape (d,), and a number: p = sigmoid(weights · vector + bias).
    held_out
        p of each labelled text by a classifier of the other folds, shape (texts,).
    """

    weights: Doubles
    bias: float
    held_out: Doubles


def fit_classifier(vectors: Floats, labels: Bools, seed: int = 0) -> FittedClassifier:
    """Fit a logistic regression with an l2 penalty, whose strength is chosen by average precision.

    The held-out scores come from five folds. The strength is one of three, and chosen once, for all of them.

    Parameters
    ----------
    vectors
        Of the labelled texts, shape (texts, d).
    labels
        Which should be held, shape (texts,).
    seed
        Of the folds.

    Raises
    ------
    RequestError
        If there are fewer than ten texts of either kind, or scikit-learn is missing.
    """
    with needs("a classifier", "language"):
        from sklearn.base import clone
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
    fewest = int(min(labels.sum(), (~labels).sum()))
    if fewest < 2 * FOLDS:
        raise RequestError(
            f"{labels.sum():,} texts are labelled to be held and {(~labels).sum():,} not to be: "
            f"label at least {2 * FOLDS} of each"
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    one = LogisticRegression(solver="newton-cholesky")  # exact and quick: there are few dimensions
    search = GridSearchCV(one, {"C": PENALTIES}, scoring="average_precision", cv=folds)
    best = search.fit(vectors.astype(np.float64), labels).best_estimator_
    held_out = cross_val_predict(clone(best), vectors, labels, cv=folds, method="predict_proba")[:, 1]
    return FittedClassifier(best.coef_[0], float(best.intercept_[0]), held_out)


def threshold_for(scores: Doubles, labels: Bools, recall: float) -> float:
    """Find the highest threshold at which so large a share of what should be held is held.

    Parameters
    ----------
    scores
        0 to 1, shape (texts,).
    labels
        Which should be held, shape (texts,).
    recall
        Above 0, at most 1.

    Examples
    --------
    >>> threshold_for(np.array([0.9, 0.7, 0.6, 0.1]), np.array([True, False, True, False]), 0.5)
    0.9
    """
    right = np.sort(scores[labels])[::-1]
    return float(right[int(np.ceil(recall * len(right) - 1e-9)) - 1])


def screen_from(
    template: str,
    deny: Mapping[str, Sequence[str]],
    encoder: EncoderIdentity | None,
    fitted: FittedClassifier,
    labels: Bools,
    recalls: Mapping[str, float],
    pushed: float = 0.0,
) -> Screen:
    """Make a screen of a classifier, with a threshold a market.

    Parameters
    ----------
    template, deny, encoder, pushed
        As in `Screen`.
    fitted, labels
        The classifier, and the labels of the texts that it learned from.
    recalls
        Share of what should be held that is to be held, by market.
    """
    thresholds, measured = dict[str, float](), dict[str, dict[str, float]]()
    for market, recall in recalls.items():
        thresholds[market] = threshold_for(fitted.held_out, labels, recall)
        measured[market] = quality_at(thresholds[market], fitted.held_out, labels)
    phrases = {market: [*each] for market, each in deny.items()}
    return Screen(
        template, phrases, encoder, fitted.weights.tolist(), fitted.bias, thresholds, measured, pushed
    )


def quality_at(threshold: float, scores: Doubles, labels: Bools) -> dict[str, float]:
    """Measure what a threshold holds: its precision and recall.

    Examples
    --------
    >>> quality_at(0.5, np.array([0.9, 0.7, 0.6, 0.1]), np.array([True, False, True, False]))
    {'threshold': 0.5, 'precision': 0.6666666666666666, 'recall': 1.0, 'held': 3}
    """
    held = scores >= threshold
    right, n = int((held & labels).sum()), int(held.sum())
    precision = right / n if n else 1.0
    return {"threshold": threshold, "precision": precision, "recall": right / int(labels.sum()), "held": n}
