"""Figures of a model, against independent implementations."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from tailrank.metrics.beyond_accuracy import Outcome, exposure, gini, measure, ndcg, per_query, target_groups

ITEMS = 60


def ranked(scores: np.ndarray, targets: np.ndarray) -> Outcome:
    """Rank a table of distinct scores."""
    order = np.argsort(-scores, axis=1)
    ranks = 1 + np.argmax(order == targets[:, None], axis=1)
    return Outcome(ranks.astype(np.int32), order[:, :10].astype(np.int32))


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[Outcome, np.ndarray, np.ndarray, np.ndarray]:
    """An outcome with its targets, training counts and item vectors; some lists are short."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    queries, items = draw(st.integers(1, 12)), draw(st.integers(2, 40))
    targets = rng.integers(0, items, queries)
    outcome = ranked(rng.random((queries, items)), targets)
    top = np.full((queries, 10), -1, np.int32)
    top[:, : outcome.top.shape[1]] = outcome.top
    top[np.arange(10) >= rng.integers(0, 11, queries)[:, None]] = -1
    vectors = rng.normal(size=(items, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Outcome(outcome.ranks, top), targets, rng.geometric(0.2, items) - 1, vectors.astype(np.float32)


def test_accuracy_agrees_with_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling ranx takes half a minute, running it none
    ranx = importlib.import_module("ranx")
    rng = np.random.default_rng(0)
    scores, targets = rng.random((20, ITEMS)), rng.integers(0, ITEMS, 20)
    figures = measure(ranked(scores, targets), targets, np.ones(ITEMS, np.int64))
    qrels = ranx.Qrels({f"q{q}": {f"i{target}": 1} for q, target in enumerate(targets)})
    run = ranx.Run(
        {f"q{q}": {f"i{i}": float(score) for i, score in enumerate(row)} for q, row in enumerate(scores)}
    )
    theirs = ranx.evaluate(qrels, run, ["ndcg@10", "recall@10", "mrr"])
    assert {name: figures[name] for name in theirs} == pytest.approx(theirs)


@given(
    arrays(np.int64, st.integers(2, 30), elements=st.integers(0, 1000)).filter(lambda shown: shown.sum() > 0)
)
def test_gini_is_the_mean_absolute_difference(shown: np.ndarray) -> None:
    n = len(shown)
    absolute = np.abs(shown[:, None] - shown[None, :]).sum()
    assert gini(shown) == pytest.approx(absolute / (2 * n * (n - 1) * shown.mean()))


@given(outcomes())
def test_list_distance_agrees_with_scipy(drawn: tuple[Outcome, np.ndarray, np.ndarray, np.ndarray]) -> None:
    outcome, targets, counts, vectors = drawn
    lists = [row[row >= 0] for row in outcome.top]
    expected = [pdist(vectors[items], "cosine").mean() for items in lists if len(items) > 1]
    figure = measure(outcome, targets, counts, vectors)["ild@10"]
    assert figure == (pytest.approx(np.mean(expected), abs=1e-5) if expected else None)


def test_list_distance_is_the_same_beyond_one_chunk() -> None:
    rng = np.random.default_rng(0)
    top = np.argsort(rng.random((1500, ITEMS)), axis=1)[:, :10].astype(np.int32)
    vectors = np.eye(ITEMS, dtype=np.float32)
    vectors[0] = 0
    outcome = Outcome(np.ones(1500, np.int32), top)
    assert measure(outcome, np.zeros(1500, np.int32), np.ones(ITEMS, np.int64), vectors)["ild@10"] == 1


@given(outcomes())
def test_figures_stay_in_their_ranges(drawn: tuple[Outcome, np.ndarray, np.ndarray, np.ndarray]) -> None:
    outcome, targets, counts, vectors = drawn
    figures = measure(outcome, targets, counts, vectors)
    shares = ("ndcg", "recall", "mrr", "coverage", "gini", "aplt")
    assert all(
        0 <= value <= 1 for name, value in figures.items() if value is not None and name.startswith(shares)
    )
    assert figures["ild@10"] is None or -1e-6 <= figures["ild@10"] <= 2 + 1e-6
    assert figures["arp@10"] is None or counts.min() <= figures["arp@10"] <= counts.max()
    assert figures["novelty@10"] is None or figures["novelty@10"] >= 0


@given(outcomes())
def test_groups_of_targets_partition_all(drawn: tuple[Outcome, np.ndarray, np.ndarray, np.ndarray]) -> None:
    outcome, targets, counts, _ = drawn
    figures = measure(outcome, targets, counts)
    groups = target_groups(counts)
    for parts in (("head20", "tail80"), tuple(name for name in groups if name.startswith("count"))):
        sizes = [groups[name][targets].sum() for name in parts]
        known = [figures[f"ndcg@10/{name}"] for name in parts]
        assert [value is None for value in known] == [size == 0 for size in sizes]
        total = sum(size * value for size, value in zip(sizes, known, strict=True) if value is not None)
        assert total / len(targets) == pytest.approx(figures["ndcg@10"])


@given(outcomes(), st.randoms(use_true_random=False))
def test_the_order_of_queries_does_not_matter(
    drawn: tuple[Outcome, np.ndarray, np.ndarray, np.ndarray], random: object
) -> None:
    outcome, targets, counts, vectors = drawn
    order = sorted(range(len(targets)), key=lambda _: random.random())  # type: ignore[attr-defined]
    moved = Outcome(outcome.ranks[order], outcome.top[order])
    before, after = (measure(o, t, counts, vectors) for o, t in ((outcome, targets), (moved, targets[order])))
    assert {k for k, v in before.items() if v is None} == {k for k, v in after.items() if v is None}
    assert [v or 0 for v in before.values()] == pytest.approx([v or 0 for v in after.values()], abs=1e-6)


def test_popularity_and_novelty_by_hand() -> None:
    counts = np.array([6, 1, 0, 0, 0])
    top = np.full((2, 10), -1, np.int32)
    top[0, :2] = [0, 1]
    top[1, :1] = [2]
    figures = measure(Outcome(np.array([1, 4], np.int32), top), np.array([0, 2]), counts)
    assert figures["arp@10"] == pytest.approx((3.5 + 0) / 2)
    assert figures["aplt@10"] == pytest.approx((0.5 + 1) / 2)
    assert figures["coverage@10"] == pytest.approx(3 / 5)
    bits = -np.log2(np.array([7, 2, 1]) / 12)
    assert figures["novelty@10"] == pytest.approx((bits[:2].mean() + bits[2]) / 2)
    assert figures["ndcg@10/count=0"] == pytest.approx(1 / np.log2(5))
    assert figures["ndcg@10/count>20"] is None
    assert figures["ild@10"] is None
    assert exposure(top, 5).tolist() == [1, 1, 1, 0, 0]


def test_nothing_ranked_gives_no_figure() -> None:
    nothing = Outcome(np.zeros(0, np.int32), np.zeros((0, 10), np.int32))
    figures = measure(nothing, np.zeros(0, np.int32), np.ones(3, np.int64), np.eye(3, dtype=np.float32))
    assert set(figures.values()) == {None}


def test_values_per_query_feed_the_comparison() -> None:
    outcome = Outcome(np.array([1, 10, 11], np.int32), np.zeros((3, 10), np.int32))
    assert per_query(outcome).tolist() == ndcg(outcome.ranks).tolist()
    assert per_query(outcome, "recall@10").tolist() == [1, 1, 0]
    assert per_query(outcome, "mrr").tolist() == [1, 0.1, 1 / 11]
