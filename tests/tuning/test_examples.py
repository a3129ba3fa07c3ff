"""Batches of histories and texts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainings import SHORT, WORDS, shop

from tailrank.data.dataset import Dataset
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import BehaviourExamples, TextExamples


@given(st.integers(0, 10_000), st.sampled_from(["next-item", "pairs"]))
def test_no_history_has_its_own_items_as_negatives(seed: int, loss: str) -> None:
    data = shop(seed % 7)
    has_text = np.arange(data.n_items) % 5 > 0
    batch = BehaviourExamples(data, has_text, FineTuningConfig(**{**SHORT, "loss": loss})).draw(
        np.random.default_rng(seed)
    )
    h = data.histories
    baskets = [set(h.items[a:b]) for a, b in zip(h.offsets[:-1], h.offsets[1:], strict=True)]
    assert has_text[batch.items].all()
    assert len(np.unique(batch.items)) == len(batch.items)
    for context, target, excluded in zip(batch.contexts, batch.targets, batch.excluded, strict=True):
        history = batch.items[context[context >= 0]]
        assert len(history)
        assert batch.items[target] not in history
        owners = [b for b in baskets if {*history, batch.items[target]} <= b]
        assert any({*batch.items[excluded]} == b & {*batch.items} for b in owners)


def test_each_text_is_its_own_next_item() -> None:
    batch = TextExamples(np.array([True, False, True, True]), 8, twice=True).draw(np.random.default_rng(0))
    assert sorted(batch.items.tolist()) == [0, 0, 2, 2, 3, 3]
    assert (batch.items[batch.contexts[:, 0]] == batch.items[batch.targets]).all()
    assert (batch.contexts[:, 0] != batch.targets).all()


@pytest.mark.parametrize("replay", [0.0, 0.3, 1.0])
def test_new_events_come_with_old_ones_in_between(replay: float) -> None:
    items = pl.DataFrame({"item_id": list("abcdefgh"), "title": WORDS[:8]})
    rows = [("u", item, day) for day, item in enumerate("abcdefgh")]  # from the fifth day on: e to h
    data = Dataset.construct(items, pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row"))
    config = FineTuningConfig(loss="next-item", replay=replay, batch=4)
    examples, rng = BehaviourExamples(data, np.ones(8, bool), config, since=4.0), np.random.default_rng(0)
    batches = [examples.draw(rng) for _ in range(200)]
    old = [(batch.items[batch.targets] < 4) for batch in batches]
    assert all(each.all() or not each.any() for each in old)
    assert np.mean([each.all() for each in old]) == pytest.approx(replay, abs=0.1)
