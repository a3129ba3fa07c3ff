"""A map of the catalogue: what means much the same lies close together."""

from __future__ import annotations

from typing import Final

import numpy as np

from tailrank.api_page import ItemMap
from tailrank.arrays import Bools, Doubles, Floats, Offsets
from tailrank.server.card_index import CardIndex
from tailrank.signals.semantic import SemanticAttention

MOST: Final = 20_000
"""Points of a map."""

DIGITS: Final = 4


def item_map(index: CardIndex) -> ItemMap:
    """Draw the items by the first two principal components of their vectors; without vectors, none.

    Items without text aren't on it. Of too many items a sample is, in which the tail has its
    share.
    """
    signals = index.served.reranker.signals
    semantic = next((each for each in signals if isinstance(each, SemanticAttention)), None)
    rows = sample(index.tail, MOST)
    if semantic is None or not len(rows):
        return ItemMap("PCA", [], [], [], [])
    vectors = semantic.vectors_of(index.codes[rows])
    has_text = vectors.any(axis=1)
    rows, vectors = rows[has_text], vectors[has_text]
    x, y = principal_components(vectors).round(DIGITS).T.tolist() if len(rows) else ([], [])
    ids = [index.ids[row] for row in rows.tolist()]
    return ItemMap("PCA", ids, x, y, index.tail[rows].astype(int).tolist())


def sample(tail: Bools, most: int) -> Offsets:
    """Draw so many rows, ascending, of which the tail has its share; all, if there aren't more.

    Examples
    --------
    >>> tail = np.arange(1_000) >= 200
    >>> rows = sample(tail, 100)
    >>> len(rows), tail[rows].mean().round(2).item()
    (100, 0.8)
    """
    if len(tail) <= most:
        return np.arange(len(tail))
    rng, n_tail = np.random.default_rng(0), round(most * float(tail.mean()))
    drawn = (
        rng.choice(np.flatnonzero(group), n, replace=False)
        for group, n in ((tail, n_tail), (~tail, most - n_tail))
    )
    return np.sort(np.concatenate(list(drawn)))


def principal_components(vectors: Floats) -> Doubles:
    """Project on the two directions of largest variance (Pearson, 1901), within the unit square.

    Each direction points to where its largest coordinate is positive, so that a map isn't mirrored.

    Parameters
    ----------
    vectors
        Shape (n, d), n at least 1.

    Returns
    -------
    Doubles
        Shape (n, 2).

    Examples
    --------
    >>> principal_components(np.array([[0, 0, 5], [4, 0, 5], [2, 1, 5]], np.float32)).round(3).tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    first = directions[:, :-3:-1]
    first = first * np.sign(np.take_along_axis(first, abs(first).argmax(axis=0)[None], axis=0))
    found = np.zeros((len(vectors), 2))
    found[:, : first.shape[1]] = centred @ first
    found -= found.min(axis=0)
    spread: Doubles = found / np.where(found.max(axis=0) > 0, found.max(axis=0), 1)
    return spread
