"""A model of a data folder whose items have drawn vectors, so that no text has to be encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.probes import answer
from tailrank.data.dataset import Dataset
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings


def fit(data: str, model: str, width: int, sequence_epochs: int) -> dict[str, Any]:
    """Fit and save."""
    dataset = Dataset.load(Path(data))
    drawn = np.random.default_rng(0).standard_normal((dataset.n_items, width), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    Reranker.fit(dataset, ItemVectors(drawn), Settings(sequence_epochs=sequence_epochs)).save(Path(model))
    return {"items": dataset.n_items}


if __name__ == "__main__":
    answer(fit)
