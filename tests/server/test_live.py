"""What the dashboard is told, against where it comes from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.ranking.fusion import COUNT_KNOTS, HISTORY_LABELS, Fusion
from tailrank.ranking.reranker import Reranker
from tailrank.server.learned_weights import WeightsPast, learned_weights
from tailrank.server.live_counts import WINDOW, Counts, Window, quantile
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.metrics import LATENCY_BUCKETS, Metrics

SHAPE = len(COUNT_KNOTS), len(HISTORY_LABELS)


def online() -> OnlineFusion:
    """Two signals of weights 1 and -0.5 by their deviations, which are 2 and 4."""
    weights = np.broadcast_to(np.array([0.5, -0.125], np.float32), (*SHAPE, 2))
    spreads = np.array([2, 4], np.float32)
    offline = Fusion(("text", "popularity"), weights, np.zeros(SHAPE, np.float32), 0.0, spreads=spreads)
    return OnlineFusion.start(offline)


def learn(fusion: OnlineFusion, lists: int) -> None:
    """Click the item that has most of the first signal, in lists of histories of the third bucket."""
    rng = np.random.default_rng(0)
    for _ in range(lists):
        signals = np.column_stack([rng.normal(0, 2, 8), rng.normal(0, 4, 8)]).astype(np.float32)
        fusion.update(signals, np.zeros(8, np.int32), 2, np.eye(8)[signals[:, 0].argmax()])


def test_weights_are_those_that_rank_and_intervals_shrink_where_something_was_learned() -> None:
    fusion = online()
    before = learned_weights(fusion, 1.0)
    assert before.mean == [[1.0, -0.5]] * len(HISTORY_LABELS)
    learn(fusion, 300)
    after, ranked = learned_weights(fusion, 2.0), fusion.fusion()
    expected = ranked.weights.mean(axis=0) * np.array([2, 4])
    np.testing.assert_allclose(after.mean, expected, atol=1e-3)
    assert after.mean[2][0] > before.mean[2][0] + 0.1
    assert after.sd[2][0] < 0.9 * before.sd[2][0]
    assert (before.outcomes, after.outcomes) == (0, 300)


def test_weights_of_another_model_begin_anew() -> None:
    past, fusion = WeightsPast(), online()
    past.add(fusion)
    learn(fusion, 1)
    past.add(fusion)
    assert [each.outcomes for each in past.history().past] == [0, 1]
    assert past.history().signals == ["text", "popularity"]
    past.begin()
    assert past.history().past == []


def test_items_that_came_since_training_count_with_the_least_popular(reranker: Reranker) -> None:
    counts, ids = reranker.catalogue.counts, reranker.catalogue.items["item_id"]
    first, last = ids[int(counts.argmax())], ids[len(ids) - 1 - int(counts[::-1].argmin())]
    grown = replace(reranker, catalogue=reranker.catalogue.with_items(["new"]))
    assert LoadedModel(grown, "m").deciles_of([first, "new", "no such item", last]) == bytes([0, 9, 9, 9])


def test_a_window_tells_what_came_in_the_last_minute() -> None:
    metrics, window = Metrics(), Window()

    def look(at: float) -> None:
        window.add(Counts.read(metrics.registry.collect(), at))

    for _ in range(5):
        metrics.answered("rank", 200, 9.0)
    look(100.0)
    assert window.rankings().p50_ms is window.rankings().per_second is None
    for _ in range(90):
        metrics.answered("rank", 200, 0.0007)
    metrics.answered("metarank", 503, 0.07)
    metrics.answered("items", 200, 1.0)
    metrics.degraded.labels("state").inc(2)
    metrics.head.inc(1)
    metrics.tail.inc(3)
    look(102.0)
    told = window.rankings()
    assert (told.total, told.refused) == (96, 1)
    assert told.per_second == 45.5
    assert 0.5 < (told.p50_ms or 0) <= 1.0
    assert window.latest.degraded == {"state": 2}
    assert window.exposure().tail_share == 0.75
    look(102.0 + WINDOW / 2)
    assert window.rankings().per_second == 0
    assert window.seconds == 2 + WINDOW / 2
    look(103.0 + WINDOW)
    assert window.rankings().p50_ms is None
    look(200.0 + 2 * WINDOW)
    assert window.seconds == 0


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99])
def test_a_quantile_is_in_the_bucket_of_the_exact_one(q: float) -> None:
    values = np.sort(np.random.default_rng(1).lognormal(-5, 1, 999))
    bounds = np.array([0.0, *LATENCY_BUCKETS, math.inf])
    counts = {bound: int((values <= bound).sum()) for bound in bounds[1:]}
    found, exact = quantile(counts, {}, q), values[math.ceil(q * len(values)) - 1]
    at = int(np.searchsorted(bounds, exact))
    assert found is not None
    assert bounds[at - 1] <= found <= bounds[at]
