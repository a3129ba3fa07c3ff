"""Intents: what is read off, that weights move with them, and that they help only if they matter."""

import numpy as np
import pytest
from bench.intent_model import Intents, read_off
from bench.intent_weights import Way, pool_logits
from bench.intents import rows

from tailrank.data.histories import Histories
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.fusion_objective import SampledCandidates

VECTORS = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)


def histories(*events: tuple[list[int], list[int], list[float]]) -> Histories:
    items, types, times = ([value for one in events for value in one[at]] for at in range(3))
    offsets = np.cumsum([0, *(len(one[0]) for one in events)])
    return Histories(np.array(items, np.int32), np.array(types, np.int32), np.array(times, float), offsets)


def test_intents_are_read_off_the_latest_events() -> None:
    some = histories(([0, 2, 0, 3], [0, 1, 1, 1], [0, 9_000, 9_000, 10_000]), ([1], [0], [5]), ([], [], []))
    found = read_off(some, VECTORS, ("view", "cart"), timed=True)
    assert found["repeating"][0] == 1 / 4
    cosines = [0, 1, 0.6, 0, 0.8, 0.6]  # of the six pairs of 0, 2, 0 and 3
    assert found["comparing"][0] == pytest.approx(np.mean(cosines))
    assert found["in a basket"][0] == pytest.approx(np.log(3))
    assert (found["share of view"][0], found["share of cart"][0]) == (1 / 4, 3 / 4)
    assert all(np.isnan(values[1:]).all() for values in found.values()), "one event tells nothing"
    assert found.keys() - read_off(some, VECTORS, ("event",), timed=False).keys() == {
        *("in a basket", "share of view", "share of cart")
    }


def test_ten_events_count_and_five_are_compared() -> None:
    items = [0, 0] + [3] * 5 + [0, 1, 0, 1, 0]
    found = read_off(histories((items, [0] * 12, [0.0] * 12)), VECTORS, (), timed=False)
    assert found["repeating"][0] == 8 / 10, "of the last ten the first 3 and the first 1 are new"
    assert found["comparing"][0] == pytest.approx(1)


def test_intents_are_scaled_and_neutral_without_a_history() -> None:
    rng = np.random.default_rng(0)
    many = [(rng.integers(0, 4, n).tolist(), [0] * n, [0.0] * n) for n in rng.integers(2, 12, 200)]
    some = histories(*many)
    intents = Intents.fit(some, VECTORS, ("event",), timed=False, seed=0)
    found = intents(some)
    for name in ("repeating", "comparing"):
        assert (found[name].mean(), found[name].std()) == pytest.approx((0, 1), abs=0.05)
    assert set(intents.ways) == {"repeating", "comparing", "all of them", "mixture of 4"}
    nothing = intents(histories(([0], [0], [0.0]), ([], [], [])))
    assert not any(values.any() for values in nothing.values())


def world(rng: np.random.Generator, n: int, matters: bool) -> tuple[SampledCandidates, np.ndarray]:
    """Draw lists of which the first signal decides, its sign turned by the intent, if that matters."""
    features = rng.normal(size=(n, 20, 2)).astype(np.float32)
    intent = rng.normal(size=n).astype(np.float32)
    logits = (1.5 * intent[:, None] if matters else 1.5) * features[..., 0] + rng.gumbel(size=(n, 20))
    best = logits.argmax(axis=1)
    order = (np.arange(20) + best[:, None]) % 20  # so that the target comes first
    features = np.take_along_axis(features, order[..., None], axis=1)
    levels, log_odds = np.zeros((n, 20), np.int32), np.zeros((n, 20), np.float32)
    return SampledCandidates(features, levels, np.full(n, 2, np.int32), log_odds), intent


@pytest.mark.parametrize("matters", [True, False])
def test_an_intent_helps_if_it_matters(matters: bool) -> None:
    rng = np.random.default_rng(1)
    (pool, intent), (fresh, of_fresh) = world(rng, 1_000, matters), world(rng, 1_000, matters)
    counts = np.ones(1_000, np.float32)
    fusion = Fusion.fit(("words", "pairs"), pool, importance=counts)
    way = Way.fit(("x",), fusion, pool, {"x": intent}, counts, shrinkage=1.0)
    plain = pool_logits(fusion, fresh)
    signals = [fresh.features[..., 0], fresh.features[..., 1]]
    moved = way.score(signals, plain, {"x": of_fresh})
    first, with_intent = ((scores.argmax(axis=1) == 0).mean() for scores in (plain, moved))
    assert with_intent - first > 0.2 if matters else abs(with_intent - first) < 0.02
    fused = fusion.fuse([each[:5] for each in signals], fresh.candidates[0], fresh.histories[:5])
    assert plain[:5] == pytest.approx(fused.total, abs=1e-4)


def test_rows_compare_on_the_same_queries() -> None:
    seed = {
        "no intents": np.array([0.0, 0.5, 1.0]),
        "comparing": np.array([0.5, 0.5, 1.0]),
        "tail": np.array([1.0, 0.0, 1.0]),
        "again": np.array([0.0, 1.0, 0.0]),
        "users": np.array([0.0, 1.0, 2.0]),
    }
    found = rows([seed, seed])
    assert found["all"]["queries"] == 6
    assert found["tail80"]["comparing"]["difference"] == 0.25
    assert found["chosen again"]["comparing"]["ndcg@10"] == 0.5
    assert set(rows([seed | {"again": np.zeros(3)}])) == {"all", "tail80"}
