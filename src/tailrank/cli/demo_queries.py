"""Test queries whose answer is in the tail: what a recommender finds for them, and how models rank that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.metrics.full_ranking import scored
from tailrank.metrics.popularity import tail_items

FOUND: Final = 100
"""Candidates that are found for each query."""

READ: Final = 50
"""Latest events of a history that the answer is compared with."""

SAME: Final = 0.999
"""Cosine from which on two texts are one."""


@dataclass(frozen=True)
class TailQueries:
    """Test queries whose target is in the tail and among the candidates that were found.

    Attributes
    ----------
    queries
        At least one.
    candidates
        Item codes in the order of the model that found them; shape (queries, found).
    scores
        By the name of each model, its scores of the candidates; shape (queries, found).
    closeness
        Cosine between the target's text and that of the most similar item of the history, other than an
        equal one; shape (queries,).
    asked
        How many test queries with a history have a target in the tail, found or not.
    """

    queries: Queries
    candidates: Codes
    scores: Mapping[str, Floats]
    closeness: Floats
    asked: int

    @classmethod
    def find(cls, split: Split, finder: Scorer, models: Mapping[str, Scorer], vectors: Floats) -> Self | None:
        """Let `finder` find candidates, and the models score them; None if it finds no target in the tail.

        Parameters
        ----------
        split
            Of which the test queries are asked.
        finder
            Its first 100 items, those of the history aside, are the candidates.
        models
            By name; the last but one is the last without the language model.
        vectors
            Unit vectors of the items' texts, shape (items, d).
        """
        known = split.test.take(split.test.ends > split.test.starts)
        asked = known.take(tail_items(split.full_train.counts)[known.targets])
        lists = [
            np.argsort(-scores, axis=1, kind="stable")[:, :FOUND].astype(np.int32)
            for _, scores in scored(finder, asked, split)
        ]
        candidates = np.concatenate(lists) if lists else np.zeros((0, FOUND), np.int32)
        found = (candidates == asked.targets[:, None]).any(axis=1)
        if not found.any():
            return None
        queries, candidates = asked.take(found), candidates[found]
        scores = {name: _scores(model, queries, candidates, split) for name, model in models.items()}
        return cls(queries, candidates, scores, _closeness(queries, vectors), len(asked))

    @cached_property
    def ranks(self) -> dict[str, Offsets]:
        """By the name of each model, the rank of the target among the candidates; shape (queries,)."""
        at = (self.candidates == self.queries.targets[:, None]).argmax(axis=1)
        return {
            name: 1 + (np.argsort(-scores, axis=1, kind="stable") == at[:, None]).argmax(axis=1)
            for name, scores in self.scores.items()
        }

    @property
    def moved(self) -> Offsets:
        """By how many ranks the language model moves the target up; shape (queries,)."""
        *_, without, ours = self.ranks.values()
        return without - ours

    @property
    def closer(self) -> Bools:
        """Whether a query is in the half whose targets are closest to the history; shape (queries,)."""
        return self.closeness >= np.median(self.closeness)

    def first(self, name: str, row: int, n: int) -> Codes:
        """List the first `n` candidates of a query in the order of a model."""
        order = np.argsort(-self.scores[name][row], kind="stable")
        first: Codes = self.candidates[row][order[:n]]
        return first


def _scores(model: Scorer, queries: Queries, candidates: Codes, split: Split) -> Floats:
    n_items, done, found = split.full_train.n_items, 0, []
    for batch in queries.batches(n_items):
        scores = model.score(batch.histories, Candidates.everything(n_items))
        found.append(np.take_along_axis(scores, candidates[done : done + len(batch)], axis=1))
        done += len(batch)
    return np.concatenate(found)


def _closeness(queries: Queries, vectors: Floats) -> Floats:
    """Compare each target with the history; no query is without one."""
    recent = queries.histories.latest(READ)
    cosines = np.einsum("ed,ed->e", vectors[recent.items], vectors[queries.targets[recent.owners]])
    closest: Floats = np.maximum.reduceat(np.where(cosines < SAME, cosines, -1), recent.offsets[:-1])
    return closest
