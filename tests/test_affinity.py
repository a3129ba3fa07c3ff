"""The affinity signal: meanings that behaviour moves."""

import numpy as np
import polars as pl
import pytest
import torch

from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.signals.affinity import TEMPERATURE, Affinity, cross_entropy
from tailrank.signals.protocol import Candidates
from tailrank.signals.semantic import SemanticAttention

N_ITEMS = 24


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def pairs(n_items: int = N_ITEMS) -> Dataset:
    """People who take an even item and the odd one after it, pair after pair."""
    rng = np.random.default_rng(0)
    rows = [
        {"user_id": f"u{user}", "item_id": str(first + step), "position": 2 * at + step}
        for user in range(300)
        for at, first in enumerate(2 * rng.permutation(N_ITEMS // 2)[:4])
        for step in (0, 1)
    ]
    items = pl.DataFrame({"item_id": [str(i) for i in range(n_items)], "title": ["thing"] * n_items})
    return Dataset.construct(items, pl.DataFrame(rows))


def meaning(vectors: np.ndarray) -> SemanticAttention:
    rows = np.arange(len(vectors), dtype=np.int32)
    return SemanticAttention(vectors, rows, np.zeros(1, np.float32), 0.0, 1.0)


def test_loss_and_gradients_are_those_of_autograd():
    query, vectors = unit(5, 7) * 0.8, unit(9, 7, seed=1)
    wanted, drawn, times = np.array([0, 3, 3, 8, 1]), np.array([1, 2, 3, 5]), np.array([1, 4, 2, 1])
    known = np.stack([wanted, np.array([5, 0, 2, 8, 1])], axis=1)
    q, v = (torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in (query, vectors))
    logits = q @ v[drawn].T / TEMPERATURE + torch.tensor(times).log()
    logits = logits.masked_fill(torch.tensor((known[:, :, None] == drawn).any(axis=1)), -torch.inf)
    hit = (q * v[wanted]).sum(dim=1, keepdim=True) / TEMPERATURE
    expected = torch.nn.functional.cross_entropy(
        torch.cat([hit, logits], 1), torch.zeros(5, dtype=torch.long)
    )
    by_query, by_vectors = torch.autograd.grad(expected, (q, v))
    loss, back, gradient = cross_entropy(query, vectors, wanted, drawn, times, known)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(back, by_query, atol=1e-5)
    np.testing.assert_allclose(gradient, by_vectors, atol=1e-5)


def test_behaviour_brings_together_what_texts_hold_apart():
    split, start = leave_one_out(pairs()), meaning(unit(N_ITEMS, 16))
    found, epochs = Affinity.learn(start, split.train, split.validation, split.repeats)
    gain = found.vectors @ found.vectors.T - start.vectors @ start.vectors.T
    items = np.arange(N_ITEMS)
    assert epochs > 0
    assert (gain[items, items ^ 1] > gain.mean(axis=1)).all()
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


def test_it_is_soft_maxsim_without_sharpness_and_its_terms_add_up():
    split = leave_one_out(pairs())
    found = Affinity.relearn(meaning(unit(N_ITEMS, 16)), split.train, 1)
    histories, everything = split.validation.histories, Candidates.everything(N_ITEMS)
    plain = SemanticAttention(found.vectors, found.rows, found.kinds, 0.0, found.fading, found.cooling)
    np.testing.assert_allclose(
        found.score(histories, everything), plain.score(histories, everything), atol=1e-5
    )
    one = histories.cut(histories.offsets[:1], histories.offsets[1:2])
    terms = found.by_event(one, everything)
    np.testing.assert_allclose(terms.sum(axis=0), found.score(one, everything)[0], atol=1e-5)


def test_the_same_events_move_vectors_the_same_way():
    split, start = leave_one_out(pairs()), meaning(unit(N_ITEMS, 16))
    first, epochs = Affinity.learn(start, split.train, split.validation, split.repeats, seed=3)
    again = Affinity.relearn(start, split.train, epochs, seed=3)
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_an_item_without_text_is_placed_by_behaviour_and_without_either_nowhere():
    vectors = unit(N_ITEMS + 1, 16)
    vectors[[1, N_ITEMS]] = 0
    found = Affinity.relearn(meaning(vectors), pairs(N_ITEMS + 1), 3)
    assert np.linalg.norm(found.vectors[1]) == pytest.approx(1, abs=1e-5)
    assert found.vectors[0] @ found.vectors[1] > np.median(found.vectors[0] @ found.vectors.T)
    assert not found.vectors[N_ITEMS].any()


def test_people_with_one_event_each_teach_nothing():
    data = pairs()
    single = data.until(data.histories.offsets[:-1] + 1)
    start = meaning(unit(N_ITEMS, 16))
    np.testing.assert_allclose(Affinity.relearn(start, single, 2).vectors, start.vectors, atol=1e-6)
