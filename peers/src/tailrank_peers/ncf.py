"""Neural matrix factorisation, by the library Cornac."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.ranking.settings import Settings
from tailrank_peers.known_users import KnownUsers
from tailrank_peers.matrices import user_items
from tailrank_peers.tuning import Fit, Peer, Setting


@dataclass(frozen=True)
class _Predictions:
    """Asks a fitted Cornac model user by user."""

    model: Any

    def __call__(self, users: Codes) -> Floats:
        return np.stack([self.model.score(int(user)) for user in users]).astype(np.float32)


def _cornac_data(data: Dataset, seed: int) -> Any:
    """Hand over users and their items, under the codes that they have here."""
    from cornac.data import Dataset as CornacDataset

    interactions = user_items(data.histories, data.n_items).tocoo()
    users, items = ({code: code for code in range(n)} for n in interactions.shape)
    triples = (interactions.row, interactions.col, np.ones(interactions.nnz, np.float32))
    return CornacDataset(*interactions.shape, users, items, triples, seed=seed)


def _neumf(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from cornac.models import NeuMF

    data = _cornac_data(split.full_train, settings.seed)

    def fit(setting: Setting) -> KnownUsers:
        epochs, rate = setting["epochs"], setting["learning_rate"]
        # Cornac's torch network takes the width of its factors from the last layer, and that has to be 8.
        layers = [2 * int(setting["embedding"]), 32, 16, 8]
        model = NeuMF(
            layers=layers, num_epochs=epochs, lr=rate, backend="pytorch", seed=settings.seed, verbose=False
        )
        return KnownUsers.from_dataset(_Predictions(model.fit(data)), split.full_train)

    return fit


NEUMF: Final = Peer(
    "ncf",
    _neumf,
    tuple(
        {"embedding": width, "epochs": epochs, "learning_rate": rate}
        for width, epochs, rate in ((32, 10, 0.001), (32, 5, 0.003), (128, 10, 0.001), (32, 20, 0.001))
    ),
)
"""NeuMF (He et al., "Neural collaborative filtering", WWW 2017), without pretraining."""
