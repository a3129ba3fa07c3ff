"""What fusion learns from: who is asked, which candidates count, and for how many each stands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.arrays import Bools
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.ranking.fusion_objective import SampledCandidates
from tailrank.ranking.sampled_candidates import (
    BEST,
    EMPTY_HISTORIES,
    RANDOM,
    Drawing,
    draw_candidates,
    highest,
    with_empty_histories,
)
from tailrank.signals.base import Signal
from tailrank.signals.popularity import Popularity
from tailrank.signals.repetition import Frequency

EVENTS = 5


def ask(n_items: int, users: int = 12, seed: int = 0) -> Queries:
    """Ask everybody for a random item after a random history of five events."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, n_items, users * EVENTS).astype(np.int32)
    offsets = np.arange(users + 1) * EVENTS
    histories = Histories(items, np.zeros_like(items), np.arange(len(items), dtype=np.float64), offsets)
    targets = rng.integers(0, n_items, users).astype(np.int32)
    return Queries(
        histories, np.arange(users, dtype=np.int32), offsets[:-1], offsets[1:], offsets[1:], targets
    )


def signals_for(n_items: int) -> tuple[Signal, ...]:
    """The first tells the items apart by their value: item i is worth i."""
    return Popularity(np.arange(n_items, dtype=np.float32)), Frequency(recency_decay=0.0)


def draw(queries: Queries, n_items: int, repeats: bool = True) -> SampledCandidates:
    everything = Candidates.everything(n_items)

    def allowed(batch: Queries) -> Bools:
        found = np.ones((len(batch), n_items), dtype=bool)
        if not repeats:
            found[batch.full_histories.owners, batch.full_histories.items] = False
        return found

    drawing = Drawing(
        lambda histories: [signal.score(histories, everything) for signal in signals_for(n_items)],
        with_empty_histories(queries),
        np.arange(n_items, dtype=np.int32),
        allowed,
        50,
    )
    return draw_candidates(drawing, np.random.default_rng(1))


def items_of(pool: SampledCandidates) -> np.ndarray:
    """Item codes, which the first signal gives away."""
    return pool.features[..., 0].astype(int)


SIZES = pytest.mark.parametrize("n_items", [3, 30, 500])
REPEATS = pytest.mark.parametrize("repeats", [True, False])


@SIZES
@REPEATS
def test_the_target_comes_first_and_always_counts(n_items: int, repeats: bool) -> None:
    queries = ask(n_items)
    pool = draw(queries, n_items, repeats)
    assert items_of(pool)[:, 0].tolist() == [*queries.targets, *queries.targets]
    assert not pool.log_odds[:, 0].any()


@SIZES
@REPEATS
def test_each_item_counts_once_and_masked_items_never(n_items: int, repeats: bool) -> None:
    queries = ask(n_items)
    pool = draw(queries, n_items, repeats)
    histories = queries.histories.items.reshape(-1, EVENTS)
    for at, (items, odds) in enumerate(zip(items_of(pool), pool.log_odds, strict=True)):
        counting = items[np.isfinite(odds)].tolist()
        assert len(set(counting)) == len(counting)
        without_history = at >= len(queries)
        if not repeats and not without_history:
            assert not set(counting[1:]) & set(histories[at].tolist())


@SIZES
@REPEATS
def test_the_candidates_stand_for_the_whole_catalogue(n_items: int, repeats: bool) -> None:
    queries = ask(n_items)
    pool = draw(queries, n_items, repeats)
    histories = queries.histories.items.reshape(-1, EVENTS)
    for at, odds in enumerate(pool.log_odds):
        allowed = n_items
        if not repeats and at < len(queries):
            allowed -= len(set(histories[at].tolist()) - {int(queries.targets[at])})
        assert np.exp(odds.astype(float)).sum() == pytest.approx(allowed, rel=1e-5)
        random = odds[-RANDOM:][np.isfinite(odds[-RANDOM:])]
        assert np.ptp(random) == 0 if len(random) else n_items <= BEST + EVENTS + 1


def test_what_each_signal_likes_best_is_certain() -> None:
    queries = ask(500)
    pool = draw(queries, 500, repeats=False)
    items, histories = items_of(pool), queries.histories.items.reshape(-1, EVENTS)
    for at in range(len(queries)):
        masked = set(histories[at].tolist()) - {int(queries.targets[at])}
        best = [item for item in range(499, -1, -1) if item not in masked][:BEST]
        assert set(best) <= set(items[at, pool.log_odds[at] == 0].tolist())


def test_features_and_buckets_are_those_of_the_items() -> None:
    queries = ask(30)
    pool = draw(queries, 30)
    items, h = items_of(pool), queries.histories
    assert np.array_equal(pool.candidates, items)
    repeated = [[np.log1p((h.items[5 * q : 5 * q + 5] == i).sum()) for i in items[q]] for q in range(12)]
    np.testing.assert_allclose(pool.features[:12, :, 1], repeated, rtol=1e-6)


def test_some_queries_are_repeated_without_a_history() -> None:
    queries = ask(30, users=EMPTY_HISTORIES + 40)
    pool = draw(queries, 30)
    assert len(pool.features) == len(queries) + EMPTY_HISTORIES
    assert pool.histories[: len(queries)].tolist() == [2] * len(queries)
    assert pool.histories[len(queries) :].tolist() == [0] * EMPTY_HISTORIES
    assert not pool.features[len(queries) :, :, 1].any()


@given(st.integers(1, 3_000), st.integers(1, 50), st.sampled_from([1, 3, 1_000_000]), st.integers(0, 9))
def test_the_highest_scores_are_found_and_of_equal_ones_the_first(
    n: int, most: int, levels: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).integers(0, levels, (2, n)).astype(np.float32)
    scores[0, : n // 2] = -np.inf
    most = min(most, n)
    assert np.array_equal(highest(scores, most), np.argsort(-scores, axis=1, kind="stable")[:, :most])
