"""Validation by vectors alone."""

import numpy as np
import pytest
from trainings import shop

from tailrank.data.splits import hold_out
from tailrank.metrics.full_ranking import rank_queries
from tailrank.metrics.ranking import ndcg
from tailrank.signals.appendable import VectorTable
from tailrank.signals.semantic import SemanticAttention
from tailrank.tuning.validator import Validator


@pytest.mark.parametrize("seed", range(5))
def test_vectors_rank_as_by_the_signal(seed: int) -> None:
    rng, split = np.random.default_rng(seed), hold_out(shop(seed))
    vectors = rng.normal(size=(split.train.n_items, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = VectorTable.from_array(vectors)
    no_types = np.zeros(len(split.train.event_types), np.float32)
    signal = SemanticAttention(table, no_types, inverse_temperature=0.0, recency_decay=0.7)
    ranks = rank_queries(signal, split.validation, split).ranks
    assert Validator(split, 0.7, 0)(vectors)["all"] == pytest.approx(ndcg(ranks).mean())
