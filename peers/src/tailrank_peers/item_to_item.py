"""Peers that learn a weight for each pair of items: EASE, and the neighbours of the library implicit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.linalg import lapack

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.ranking.settings import Settings
from tailrank_peers.matrices import user_items
from tailrank_peers.tuning import Fit, Peer, Setting

EASE_ITEMS: Final = 25_000
"""Above this many items, a matrix of items by items takes more than 2.5 GB, and fitting takes several."""


@dataclass(frozen=True)
class ItemToItem:
    """Adds up, over the items of a history, the weight that each gives to the candidate.

    Attributes
    ----------
    weights
        Dense or sparse, shape (items, items): row the item of the history, column the candidate.
    binary
        Whether an item that occurs twice counts once.
    """

    weights: Any
    binary: bool

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Add up; shape (histories, candidates). An empty history scores 0."""
        interactions = user_items(histories, candidates.n_items)
        if self.binary:
            interactions.data[:] = 1
        total = interactions @ self.weights
        dense: Floats = total if isinstance(total, np.ndarray) else total.toarray()
        return dense if candidates.whole else dense[:, candidates.codes]


def ease_weights(data: Dataset, regularisation: float) -> Floats:
    """Solve for the linear item weights of least squared error under a zero diagonal.

    Equation 8 of Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW, 2019):
    ``B = I - P diag(1 / diag(P))`` with ``P`` the inverse of ``X'X + regularisation I``.

    Parameters
    ----------
    data
        Users and their items; how often doesn't count.
    regularisation
        The paper's lambda.

    Returns
    -------
    Floats
        Shape (items, items).
    """
    n = data.n_items
    interactions = user_items(data.histories, n)
    interactions.data[:] = 1
    gram: Floats = (interactions.T @ interactions).toarray()
    gram[np.diag_indices(n)] += regularisation
    # By Cholesky, as the matrix is symmetric and positive: thrice as fast as a general inverse.
    factor, _ = lapack.spotrf(gram, lower=True, clean=False, overwrite_a=True)
    half, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
    weights: Floats = np.tril(half) + np.tril(half, -1).T
    weights /= -np.diag(weights)
    np.fill_diagonal(weights, 0)
    return weights


def _ease(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    _refuse_large(split.full_train)
    return lambda setting: ItemToItem(
        ease_weights(split.full_train, float(setting["regularisation"])), binary=True
    )


def _refuse_large(data: Dataset) -> None:
    n = data.n_items
    if n > EASE_ITEMS:
        raise RequestError(
            f"{data.name}: ease inverts a matrix of {n:,} by {n:,} items, {4 * n * n / 1e9:,.1f} GB: "
            f"leave it out of --models for more than {EASE_ITEMS:,} items"
        )


def _neighbours(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from implicit import nearest_neighbours
    from implicit.utils import ParameterWarning

    interactions = user_items(split.full_train.histories, split.full_train.n_items)

    def fit(setting: Setting) -> ItemToItem:
        model = getattr(nearest_neighbours, f"{setting['weighting']}Recommender")(K=setting["neighbours"])
        with warnings.catch_warnings(action="ignore", category=ParameterWarning):
            model.fit(interactions, show_progress=False)
        return ItemToItem(model.similarity, binary=False)

    return fit


EASE: Final = Peer("ease", _ease, tuple({"regularisation": value} for value in (100.0, 300.0, 30.0, 1_000.0)))
"""EASE^R: no library that is light has it, and it is a few lines."""

NEIGHBOURS: Final = Peer(
    "implicit-item-knn",
    _neighbours,
    tuple(
        {"weighting": weighting, "neighbours": neighbours}
        for weighting, neighbours in (("Cosine", 200), ("TFIDF", 200), ("BM25", 200), ("Cosine", 50))
    ),
)
"""Item-kNN as implicit has it: the history doesn't fade."""
