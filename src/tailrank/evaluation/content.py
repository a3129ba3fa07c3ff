"""Baselines that compare texts: by their words, by their vectors, and by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.evaluation.profiles import ItemScorer
from tailrank.signals.lexical import Lexical

if TYPE_CHECKING:
    import scipy.sparse as sp

SAMPLE: Final = 1_000
"""Items whose similarities to all others say how widely these spread."""


@dataclass(frozen=True)
class Words:
    """Cosine of TF-IDF vectors (Salton and Buckley, 1988), as tailrank's own lexical signal weighs terms.

    Attributes
    ----------
    rows
        Unit vectors, a scipy `csr_array` of shape (items, terms).
    """

    rows: sp.csr_array

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Weigh the terms of each item's text."""
        return cls(Lexical.from_texts(texts).rows.matrix)

    def score_profiles(self, profiles: Any) -> Floats:
        """Add up the cosines; shape (profiles, items)."""
        scores: Floats = (self.rows @ (profiles @ self.rows).toarray().T).T
        return np.ascontiguousarray(scores)


@dataclass(frozen=True)
class Vectors:
    """Cosine of the language model's whitened vectors.

    Attributes
    ----------
    values
        Unit vectors, zero for an item without text; shape (items, d).
    """

    values: Floats

    def score_profiles(self, profiles: Any) -> Floats:
        """Add up the cosines; shape (profiles, items)."""
        scores: Floats = (profiles @ self.values) @ self.values.T
        return scores


@dataclass(frozen=True)
class StandardisedSum:
    """Two scores, each divided by how widely it spreads between items, added with weights.

    The spread is one number for a catalogue, so that a candidate's score doesn't depend on the others.

    Attributes
    ----------
    first, second
        What is added.
    weights
        Of the first and of the second.
    """

    first: ItemScorer
    second: ItemScorer
    weights: tuple[float, float]

    @classmethod
    def from_share(cls, first: ItemScorer, second: ItemScorer, share: float, n_items: int) -> Self:
        """Give the second this share of the sum, and measure how widely both spread."""
        a, b = (_spread(each, n_items) for each in (first, second))
        return cls(first, second, ((1 - share) / a, share / b))

    def score_profiles(self, profiles: Any) -> Floats:
        """Add up; shape (profiles, items)."""
        first, second = (np.float32(weight) for weight in self.weights)
        return first * self.first.score_profiles(profiles) + second * self.second.score_profiles(profiles)


def _spread(scorer: ItemScorer, n_items: int) -> float:
    """Measure the standard deviation of the scores of profiles of one item, over evenly chosen items."""
    import scipy.sparse as sp

    chosen = np.unique(np.linspace(0, n_items - 1, SAMPLE).astype(np.int64))
    one_item_each = sp.eye_array(n_items, dtype=np.float32, format="csr")[chosen]
    return float(scorer.score_profiles(one_item_each).std()) or 1.0
