"""Models with one learned vector a user, and no way to fold in a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries


@dataclass(frozen=True)
class KnownUsers:
    """Scores by what was learned of the user; users without training events get the most popular items.

    Events after training change nothing.

    Attributes
    ----------
    score_users
        Scores the catalogue for distinct user codes; shape (users, items).
    known
        Which users were trained on, shape (users,).
    counts
        Interactions of each item in training, shape (items,).
    """

    score_users: Callable[[Codes], Floats]
    known: Bools
    counts: Offsets

    @classmethod
    def from_dataset(cls, score_users: Callable[[Codes], Floats], data: Dataset) -> KnownUsers:
        """Know the users who have an event in `data`."""
        return cls(score_users, data.histories.lengths > 0, data.counts)

    def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
        """Score by the user of each query; shape (queries, candidates)."""
        users, which = np.unique(queries.users, return_inverse=True)
        scores = np.tile(self.counts.astype(np.float32), (len(users), 1))
        known = self.known[users]
        if known.any():
            scores[known] = self.score_users(users[known])
        return scores[which][:, candidates.codes]
