"""`LinearHead`: from vectors of texts to chances of labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import needs

PENALTIES: Final = (1.0, 10.0, 100.0)
"""Inverse strengths of the l2 penalty that are tried; vectors are of length one."""

BOUNDS: Final = (-3.0, 3.0)
"""Of the logarithm of the temperature that calibration may find."""


@dataclass(frozen=True)
class LinearHead:
    """A linear map, and the temperature that its log-odds are divided by.

    Attributes
    ----------
    weights, bias
        Shape (labels, d) and (labels,).
    exclusive
        Whether chances are a softmax over labels, or a sigmoid of each.
    temperature
        Above 0.
    """

    weights: Floats
    bias: Floats
    exclusive: bool
    temperature: float = 1.0

    @classmethod
    def fit(
        cls, vectors: Floats, truth: Bools, exclusive: bool, penalty: float, temperature: float = 1.0
    ) -> Self:
        """Fit logistic regressions with an l2 penalty.

        Parameters
        ----------
        vectors
            Unit vectors, shape (n, d).
        truth
            Which text has which label, shape (n, labels). Each label occurs and, unless `exclusive`, not
            everywhere.
        exclusive
            As above.
        penalty
            Inverse strength.
        temperature
            That of a head fitted likewise.

        Raises
        ------
        RequestError
            If scikit-learn is missing.
        """
        with needs("a task's head", "language"):
            from sklearn.linear_model import LogisticRegression
        wide = vectors.astype(np.float64)
        model = LogisticRegression(C=penalty, max_iter=1_000)
        if exclusive:
            found = [_map_of(model.fit(wide, truth.argmax(axis=1)))]
        else:
            found = [_map_of(model.fit(wide, column)) for column in truth.T]
        weights, bias = (np.concatenate(part).astype(np.float32) for part in zip(*found, strict=True))
        if exclusive and len(bias) == 1:  # of two labels, scikit-learn gives the odds of the second
            weights, bias = (np.concatenate([np.zeros_like(part), part]) for part in (weights, bias))
        return cls(weights, bias, exclusive, temperature)

    def log_odds(self, vectors: Floats) -> Doubles:
        """Score vectors, shape (n, d), before calibration; shape (n, labels)."""
        return (vectors @ self.weights.T + self.bias).astype(np.float64)

    def chances(self, vectors: Floats) -> Floats:
        """Give calibrated chances of labels, shape (n, labels)."""
        return chances_of(self.log_odds(vectors) / self.temperature, self.exclusive)

    def loss(self, vectors: Floats, truth: Bools) -> float:
        """Average the log loss of n texts, at the temperature."""
        return log_loss(self.log_odds(vectors) / self.temperature, truth, self.exclusive)

    def calibrated(self, vectors: Floats, truth: Bools) -> Self:
        """Choose the temperature by the log loss of texts that weren't learned from.

        Temperature scaling of Guo et al. (ICML 2017, section 4.2). A log-normal prior around 1 keeps a few
        texts, all of them right, from making chances certain.
        """
        scores = self.log_odds(vectors)

        def loss(log_temperature: float) -> float:
            prior = log_temperature**2 / (2 * len(scores))
            return log_loss(scores / np.exp(log_temperature), truth, self.exclusive) + prior

        found = minimize_scalar(loss, bounds=BOUNDS, method="bounded")
        return replace(self, temperature=float(np.exp(found.x)))


def chances_of(log_odds: Doubles, exclusive: bool) -> Floats:
    """Make chances of log-odds, shape (n, labels): that sum to 1 if `exclusive`, else each of its own."""
    return (softmax(log_odds, axis=1) if exclusive else expit(log_odds)).astype(np.float32)


def log_loss(log_odds: Doubles, truth: Bools, exclusive: bool) -> float:
    """Average the negative log-likelihood of labels, shape (n, labels), per text.

    Examples
    --------
    >>> odds, truth = np.array([[0.0, 0.0]]), np.array([[True, False]])
    >>> round(log_loss(odds, truth, True), 3), round(log_loss(odds, truth, False), 3)
    (0.693, 1.386)
    """
    if exclusive:
        return float(-log_softmax(log_odds, axis=1)[truth].mean())
    return float(-np.where(truth, log_expit(log_odds), log_expit(-log_odds)).sum(axis=1).mean())


def _map_of(fitted: Any) -> tuple[Doubles, Doubles]:
    return fitted.coef_, fitted.intercept_
