"""The peer that compares items by their users: the neighbours of the library implicit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.ranking.settings import Settings
from tailrank_peers.matrices import user_items
from tailrank_peers.tuning import Fit, Peer, Setting


@dataclass(frozen=True)
class ItemToItem:
    """Adds up, over the items of a history, the weight that each gives to the candidate.

    Attributes
    ----------
    weights
        Sparse, shape (items, items): row the item of the history, column the candidate.
    """

    weights: Any

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Add up; shape (histories, candidates). An empty history scores 0."""
        dense: Floats = (user_items(histories, candidates.n_items) @ self.weights).toarray()
        return dense if candidates.whole else dense[:, candidates.codes]


def _neighbours(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from implicit import nearest_neighbours
    from implicit.utils import ParameterWarning

    interactions = user_items(split.full_train.histories, split.full_train.n_items)

    def fit(setting: Setting) -> ItemToItem:
        model = getattr(nearest_neighbours, f"{setting['weighting']}Recommender")(K=setting["neighbours"])
        with warnings.catch_warnings(action="ignore", category=ParameterWarning):
            model.fit(interactions, show_progress=False)
        return ItemToItem(model.similarity)

    return fit


NEIGHBOURS: Final = Peer(
    "implicit-item-knn",
    _neighbours,
    tuple(
        {"weighting": weighting, "neighbours": neighbours}
        for weighting, neighbours in (("Cosine", 200), ("TFIDF", 200), ("BM25", 200), ("Cosine", 50))
    ),
)
"""Item-kNN as implicit has it: the history doesn't fade."""
