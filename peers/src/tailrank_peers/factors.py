"""Matrix factorisation by the library implicit: alternating least squares, Bayesian personalised ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.ranking.settings import Settings
from tailrank_peers.known_users import KnownUsers
from tailrank_peers.matrices import user_items
from tailrank_peers.tuning import Fit, Peer, Setting


@dataclass(frozen=True)
class FoldedIn:
    """Alternating least squares that solves for the user's factors from the present history.

    Attributes
    ----------
    model
        Fitted `implicit.als.AlternatingLeastSquares`; its item factors stay as they are.
    """

    model: Any

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Fold in each history, whole; shape (histories, candidates). An empty one scores 0."""
        interactions = user_items(histories, candidates.n_items)
        users: Floats = self.model.recalculate_user(np.arange(len(histories)), interactions)
        scores: Floats = users @ self.model.item_factors[candidates.codes].T
        return scores


@dataclass(frozen=True)
class _Products:
    """Inner products of learned factors, shape (users, d) and (items, d)."""

    users: Floats
    items: Floats

    def __call__(self, users: Codes) -> Floats:
        scores: Floats = self.users[users] @ self.items.T
        return scores


def _als(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from implicit.cpu.als import AlternatingLeastSquares

    interactions = user_items(split.full_train.histories, split.full_train.n_items)

    def fit(setting: Setting) -> FoldedIn:
        model = AlternatingLeastSquares(**setting, random_state=settings.seed)
        # implicit has threads of its own: those of BLAS inside them would only wait for each other.
        with threadpool_limits(1, "blas"):
            model.fit(interactions, show_progress=False)
        return FoldedIn(model)

    return fit


def _bpr(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    interactions = user_items(split.full_train.histories, split.full_train.n_items)

    def fit(setting: Setting) -> KnownUsers:
        # One thread: with more, they overwrite each other's steps and no two runs agree.
        model = BayesianPersonalizedRanking(**setting, random_state=settings.seed, num_threads=1)
        model.fit(interactions, show_progress=False)
        return KnownUsers.from_dataset(_Products(model.user_factors, model.item_factors), split.full_train)

    return fit


ALS: Final = Peer(
    "als",
    _als,
    tuple(
        {"factors": factors, "alpha": alpha, "regularization": 1.0, "iterations": 15}
        for factors, alpha in ((128, 30.0), (128, 10.0), (64, 10.0), (64, 2.0))
    ),
)
"""Implicit-feedback ALS (Hu, Koren and Volinsky, ICDM 2008)."""

BPR: Final = Peer(
    "bpr",
    _bpr,
    tuple(
        {"factors": factors, "learning_rate": rate, "regularization": pull, "iterations": steps}
        for factors, rate, pull, steps in (
            (64, 0.1, 0.03, 100),
            (128, 0.1, 0.03, 200),
            (128, 0.1, 0.01, 200),
            (64, 0.05, 0.01, 100),
        )
    ),
)
"""BPR-MF (Rendle et al., UAI 2009)."""
