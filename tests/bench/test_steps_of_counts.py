"""What one more event moves by the count alone: where weights are known, so are the steps."""

from dataclasses import replace

import numpy as np
import pytest
from bench.stored import Studies
from bench.study import RESULTS

from bench import page, steps
from tailrank.data.dataset import Dataset
from tailrank.ranking.reranker import Reranker


def test_a_step_is_the_slope_between_two_counts(reranker: Reranker, movielens: Dataset) -> None:
    fusion = reranker.fusion
    biases = np.ones_like(fusion.biases)
    biases[0] = 0
    flat = replace(fusion, weights=np.zeros_like(fusion.weights), biases=biases)
    sloping = replace(reranker, fusion=flat)
    history = movielens.history(movielens.user_ids[0])[-3:]
    counts = np.delete(reranker.catalogue.counts, movielens.codes(event.item_id for event in history))
    expected = np.where(counts[counts < steps.RARE] < fusion.knots[1], 1 / fusion.knots[1], 0)
    np.testing.assert_allclose(steps.steps(sloping, history), expected, atol=1e-6)
    found = steps.measured(sloping, movielens, 0, 5, np.random.default_rng(0))
    assert found["largest"] == pytest.approx(1 / fusion.knots[1])
    assert found["steps"] == (reranker.catalogue.counts < steps.RARE).sum()


def test_the_page_tells_the_stored_steps() -> None:
    text = (page.ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    for stored in Studies(RESULTS).each("steps"):
        shares = [f"{100 * row['above']:.0f}%" for row in stored["rows"]]
        assert f"| {stored['dataset']} | {' | '.join(shares)} |" in text
