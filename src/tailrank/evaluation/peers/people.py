"""Models that know people by who they are: one learned vector a person, and no way to fold in a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries


@dataclass(frozen=True)
class KnownPeople:
    """Scores by what was learned of the person; strangers, who weren't trained on, get the most popular.

    What a person did after training changes nothing.

    Attributes
    ----------
    score_users
        Scores the catalogue for distinct user codes; shape (users, items).
    known
        Who was trained on, shape (users,).
    counts
        Interactions of each item in training, shape (items,).
    """

    score_users: Callable[[Codes], Floats]
    known: Bools
    counts: Offsets

    @classmethod
    def of(cls, score_users: Callable[[Codes], Floats], data: Dataset) -> KnownPeople:
        """Know those who have an event in `data`."""
        return cls(score_users, data.histories.lengths > 0, data.counts)

    def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
        """Score for whoever asks; shape (queries, candidates)."""
        users, which = np.unique(queries.users, return_inverse=True)
        scores = np.tile(self.counts.astype(np.float32), (len(users), 1))
        known = self.known[users]
        if known.any():
            scores[known] = self.score_users(users[known])
        return scores[which][:, candidates.codes]
