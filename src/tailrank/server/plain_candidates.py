"""Candidates for a history, found as a plain recommender does: what a re-ranker is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tailrank.api_page import FoundCandidate, FoundCandidates
from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import History
from tailrank.ranking.reranker import Reranker
from tailrank.signals.covisitation import ItemKNN


class Found(NamedTuple):
    """Candidates in the order of the recommender that found them.

    Attributes
    ----------
    codes
        Item codes, shape (candidates,).
    scores
        Shape (candidates,).
    by_neighbours
        Whether neighbours of the history's items were found, or only what is popular.
    """

    codes: Codes
    scores: Floats
    by_neighbours: bool


def plain_candidates(reranker: Reranker, history: Sequence[str], k: int, among: Codes) -> Found:
    """Find candidates by item-kNN or, if that finds nothing, by popularity; the history is left out.

    Parameters
    ----------
    reranker
        A model; its item-kNN is asked.
    history
        Item ids, oldest first; unknown ones are passed over.
    k
        How many candidates to find; equal scores are ordered by popularity.
    among
        Codes of the items to find them among, shape (items,).
    """
    catalogue = reranker.catalogue
    coded, _ = catalogue.histories([History.from_events(history)])
    codes = among[~np.isin(among, coded.items)]
    counts = catalogue.counts.take(codes)
    neighbours = next((signal for signal in reranker.signals if isinstance(signal, ItemKNN)), None)
    scores = np.zeros(len(codes), np.float32)
    if neighbours is not None and len(coded.items):
        latest = coded.latest(reranker.settings.max_history)
        scores = neighbours.score(latest, Candidates(codes, len(catalogue)))[0]
    if by_neighbours := bool(scores.any()):
        best = np.lexsort((-counts, -scores))[:k]
    else:
        scores, best = counts.astype(np.float32), np.argsort(-counts, kind="stable")[:k]
    return Found(codes[best], scores[best], by_neighbours)


def as_answer(reranker: Reranker, found: Found) -> FoundCandidates:
    """Write them as the wire has it."""
    ids = reranker.catalogue.ids_of(found.codes)
    candidates = list(map(FoundCandidate, ids, found.scores.tolist()))
    return FoundCandidates("item-kNN" if found.by_neighbours else "popularity", candidates)
