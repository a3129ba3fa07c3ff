"""Histories as profiles: items weighted by how recent they are, which baselines compare with every item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.signals.recency_decay import recency_weights


def _geometric(ages: Floats, rate: float) -> Floats:
    weights: Floats = rate**ages
    return weights


def _linear(ages: Floats, events: int) -> Floats:
    return np.maximum(1 - ages / events, 0)


FADINGS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "(1 + n)^-1": partial(recency_weights, recency_decay=1.0),
    "(1 + n)^-0.5": partial(recency_weights, recency_decay=0.5),
    "(1 + n)^-2": partial(recency_weights, recency_decay=2.0),
    "0.7^n": partial(_geometric, rate=0.7),
    "0.85^n": partial(_geometric, rate=0.85),
    "1 - n/10": partial(_linear, events=10),
    "1": np.ones_like,
}
"""What an event with n later ones in its history weighs; a baseline's fading is chosen among these."""


class ItemScorer(Protocol):
    """Scores all items for profiles."""

    def score_profiles(self, profiles: Any) -> Floats:
        """Score every item.

        Parameters
        ----------
        profiles
            A scipy `csr_array` of shape (profiles, items), float32 and above zero where it has entries.

        Returns
        -------
        Floats
            Shape (profiles, items).
        """
        ...


@dataclass(frozen=True)
class Fading:
    """Ranks by what the events of a history say, the more recent the stronger.

    Attributes
    ----------
    items
        Scores items for a profile.
    fading
        A key of `FADINGS`.
    max_history
        Latest events that count.
    """

    items: ItemScorer
    fading: str
    max_history: int

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score the candidates by their profile; shape (histories, candidates). An empty history scores 0."""
        recent = histories.latest(self.max_history)
        weights = FADINGS[self.fading](recent.ages.astype(np.float32))
        scores = self.items.score_profiles(profiles(recent, weights, candidates.n_items))
        return scores if candidates.whole else scores[:, candidates.codes]


def profiles(histories: Histories, weights: Floats, n_items: int) -> Any:
    """Add the weights of events up by item; a scipy `csr_array`, (histories, items), without zeros.

    Examples
    --------
    >>> codes = np.array([2, 0, 2], np.int32)
    >>> one = Histories(codes, np.zeros(3, np.int32), np.arange(3.0), np.array([0, 3]))
    >>> profiles(one, np.array([0.25, 0.5, 1], np.float32), 4).toarray().tolist()
    [[0.5, 0.0, 1.25, 0.0]]
    """
    import scipy.sparse as sp

    found = sp.csr_array((weights, (histories.owners, histories.items)), shape=(len(histories), n_items))
    found.sum_duplicates()
    found.eliminate_zeros()
    return found


def interactions(histories: Histories, n_items: int) -> Any:
    """Mark which history holds which item; a scipy `csr_array` of ones, (histories, items), float32."""
    found = profiles(histories, np.ones(len(histories.items), np.float32), n_items)
    found.data[:] = 1
    return found
