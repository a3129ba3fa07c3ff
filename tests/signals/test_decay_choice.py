"""How a recency decay is chosen, and sums of few entries in a large table."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.metrics.full_ranking import full_ranks
from tailrank.signals.covisitation import ItemKNN
from tailrank.signals.decay_choice import RECENCY_DECAYS, with_best_recency_decay
from tailrank.signals.lexical import Lexical
from tailrank.signals.recency_decay import DecayedSum
from tailrank.signals.repetition import Frequency
from tailrank.signals.sparse import SMALL, SparseRows, summed

USERS, EVENTS = 30, 6


def ask(n_items: int, rng: np.random.Generator) -> Queries:
    """Ask for an item that the history doesn't hold, after random events."""
    items = np.concatenate([rng.choice(n_items, EVENTS, replace=False) for _ in range(USERS)])
    offsets = np.arange(USERS + 1) * EVENTS
    types, times = np.zeros(len(items), np.int32), np.arange(len(items), dtype=np.float64)
    histories, ends = Histories(items.astype(np.int32), types, times, offsets), offsets[1:] - 1
    return Queries(
        histories, np.arange(USERS, dtype=np.int32), offsets[:-1], ends, ends, histories.items[ends]
    )


def nearest(n_items: int, per_item: int, rng: np.random.Generator) -> ItemKNN:
    table = sp.random_array((n_items, n_items), density=per_item / n_items, rng=rng, dtype=np.float32)
    return ItemKNN(rows=SparseRows.from_scipy(sp.csr_array(table)))


def plain_choice(
    signal: DecayedSum, queries: Queries, n_items: int, latest: int, repeats: bool, prior: Floats
) -> float:
    """Rank the whole catalogue under one decay after another."""
    everything = Candidates.everything(n_items)

    def gain(decay: float) -> float:
        tried = replace(signal, recency_decay=decay)
        ranks = full_ranks(
            lambda batch: tried.score(batch.histories.latest(latest), everything) + prior,
            queries,
            n_items,
            repeats,
        )
        return float((1 / np.log2(1 + ranks)).sum())

    return max(RECENCY_DECAYS, key=gain)


@pytest.mark.parametrize("per_item", [3, 20, 100])  # few items are reached, some, or nearly all
@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("with_prior", [True, False])
def test_the_recency_decay_ranks_the_whole_catalogue_best(
    per_item: int, repeats: bool, with_prior: bool
) -> None:
    n_items, chosen = 200, set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        queries, signal = ask(n_items, rng), nearest(n_items, per_item, rng)
        prior = rng.choice([0.0, 0.1, 0.5], n_items).astype(np.float32) if with_prior else None
        found = with_best_recency_decay(signal, queries, n_items, 4, repeats, prior)
        level = np.zeros(n_items, np.float32) if prior is None else prior
        assert found.recency_decay == plain_choice(signal, queries, n_items, 4, repeats, level)
        chosen.add(found.recency_decay)
    assert len(chosen) > 1


def test_few_values_in_a_large_table_add_up_as_in_a_small_one() -> None:
    rng = np.random.default_rng(0)
    rows, columns, values = rng.integers(0, 3, 500), rng.integers(0, 40, 500), rng.random(500)
    small = summed(rows, columns, values.astype(np.float32), (3, 40))
    large = summed(rows, columns, values.astype(np.float32), (3, SMALL))
    assert large.dtype == np.float32
    assert np.array_equal(large[:, :40], small)
    assert not large[:, 40:].any()
    nothing = np.zeros(0, np.int64)
    assert not summed(nothing, nothing, np.zeros(0, np.float32), (3, SMALL)).any()


def test_a_history_without_events_reaches_nothing() -> None:
    empty = Histories(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.zeros(2, np.int64))
    start, target = np.zeros(1, np.int64), np.array([3], np.int32)
    queries = Queries(empty, np.zeros(1, np.int32), start, start, start, target)
    assert with_best_recency_decay(Frequency(), queries, 10, 5, True).recency_decay == RECENCY_DECAYS[0]


def test_sums_under_several_decays_are_those_of_one_after_another() -> None:
    rng = np.random.default_rng(0)
    words = Lexical.from_texts([f"tea pot {i % 7} no{i % 11}" for i in range(60)])
    signals: tuple[DecayedSum, ...] = (words, nearest(60, 5, rng), Frequency())
    everything, histories = Candidates.everything(60), ask(60, rng).histories
    for signal in signals:
        sums = signal.sums_under(RECENCY_DECAYS, histories, everything)
        for decay, found in zip(RECENCY_DECAYS, sums, strict=True):
            expected = replace(signal, recency_decay=decay).score(histories, everything)
            np.testing.assert_allclose(np.log1p(found), expected, rtol=1e-6)
