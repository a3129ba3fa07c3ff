"""Ranks of targets and what they are worth, against independent implementations."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.metrics.full_ranking import Outcome, full_ranks, measure, per_query, score
from tailrank.metrics.popularity import target_groups

ITEMS = 60


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[Outcome, Codes, Offsets, Floats]:
    """An outcome with its targets, training counts and item vectors; some lists are short."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    queries, items = draw(st.integers(1, 12)), draw(st.integers(2, 40))
    targets = rng.integers(0, items, queries, dtype=np.int32)
    scores = rng.random((queries, items), dtype=np.float32)
    scores[rng.random((queries, items)) < draw(st.sampled_from([0, 0.9]))] = -np.inf
    vectors = rng.normal(size=(items, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Outcome.from_scores(scores, targets), targets, rng.geometric(0.2, items) - 1, vectors


def test_accuracy_agrees_with_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling ranx takes half a minute, running it none
    ranx = importlib.import_module("ranx")
    rng = np.random.default_rng(0)
    scores, targets = rng.random((20, ITEMS), dtype=np.float32), rng.integers(0, ITEMS, 20, dtype=np.int32)
    found = measure(Outcome.from_scores(scores, targets), targets, np.ones(ITEMS, np.int64))
    qrels = ranx.Qrels({f"q{q}": {f"i{target}": 1} for q, target in enumerate(targets)})
    run = ranx.Run({f"q{q}": {f"i{i}": float(s) for i, s in enumerate(row)} for q, row in enumerate(scores)})
    theirs = ranx.evaluate(qrels, run, ["ndcg@10", "recall@10", "mrr"])
    assert {name: found[name] for name in theirs} == pytest.approx(theirs)


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_an_outcome_is_the_target_s_rank_and_the_highest_scores(seed: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    scores, targets = rng.random((5, items), dtype=np.float32), rng.integers(0, items, 5, dtype=np.int32)
    outcome = Outcome.from_scores(scores, targets)
    ranks = rankdata(-scores, axis=1)
    assert outcome.ranks.tolist() == ranks[np.arange(5), targets].tolist()
    expected = np.argsort(-scores, axis=1)[:, :10]
    assert outcome.top[:, : expected.shape[1]].tolist() == expected.tolist()
    assert (outcome.top[:, expected.shape[1] :] == -1).all()


@given(st.integers(0, 2**32), st.integers(2, 30), st.floats(0.1, 1))
def test_ranks_among_some_items_are_those_in_a_catalogue_of_them(seed: int, items: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    scores, targets = rng.integers(0, 9, (8, items)).astype(np.float32), rng.integers(0, items, 8, np.int32)
    eligible = rng.random(items) < share
    found = Outcome.among(eligible, scores, targets)
    known = np.flatnonzero(eligible)
    rows = np.flatnonzero(eligible[targets])
    alone = Outcome.from_scores(
        scores[np.ix_(rows, known)], np.searchsorted(known, targets[rows]).astype(np.int32)
    )
    assert found.ranks.tolist() == alone.ranks.tolist()
    for row, top, shown in zip(rows, found.top, alone.top, strict=True):
        assert scores[row, top[top >= 0]].tolist() == scores[row, known[shown[shown >= 0]]].tolist()
        assert eligible[top[top >= 0]].all()


@given(st.integers(0, 2**32), st.booleans())
def test_full_ranks_average_ties_and_put_the_history_last(seed: int, repeats: bool) -> None:
    rng = np.random.default_rng(seed)
    source = Histories(
        rng.permuted(np.tile(np.arange(ITEMS, dtype=np.int32), (3, 1)), axis=1)[:, :8].ravel(),
        np.zeros(24, np.int32),
        np.arange(24.0),
        np.arange(0, 25, 8),
    )
    starts, ends = source.offsets[:-1], source.offsets[1:] - 1
    queries = Queries(source, np.arange(3, dtype=np.int32), starts, ends, ends, source.items[ends])
    scores = rng.integers(0, 6, (3, ITEMS)).astype(np.float32)
    masked = scores.copy()
    if not repeats:
        for row in range(3):
            masked[row, source.items[starts[row] : ends[row]]] = -1
    found = full_ranks(lambda batch: scores[batch.users], queries, ITEMS, repeats)
    assert found.tolist() == rankdata(-masked, axis=1)[np.arange(3), queries.targets].tolist()
    assert full_ranks(lambda batch: scores[batch.users], queries.take(slice(0)), ITEMS, repeats).shape == (0,)


def test_a_model_may_know_users_or_histories() -> None:
    class ByUser:
        def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
            return np.repeat(queries.users[:, None], len(candidates), axis=1).astype(np.float32)

    class ByHistory:
        def score(self, histories: Histories, candidates: Candidates) -> Floats:
            return np.repeat(histories.lengths[:, None], len(candidates), axis=1).astype(np.float32)

    one = np.zeros(1, np.int64)
    events = Histories(np.zeros(2, np.int32), np.zeros(2, np.int32), np.zeros(2), np.array([0, 2]))
    queries = Queries(events, np.array([7], np.int32), one, one + 2, one + 2, np.zeros(1, np.int32))
    assert score(ByUser(), queries, Candidates.everything(3)).tolist() == [[7, 7, 7]]
    assert score(ByHistory(), queries, Candidates.everything(3)).tolist() == [[2, 2, 2]]


@given(outcomes())
def test_groups_of_targets_partition_all(drawn: tuple[Outcome, Codes, Offsets, Floats]) -> None:
    outcome, targets, counts, _ = drawn
    found = measure(outcome, targets, counts)
    groups = target_groups(counts)
    for parts in (("head20", "tail80"), tuple(name for name in groups if name.startswith("count"))):
        sizes = [groups[name][targets].sum() for name in parts]
        known = [found[f"ndcg@10/{name}"] for name in parts]
        assert [value is None for value in known] == [size == 0 for size in sizes]
        total = sum(size * value for size, value in zip(sizes, known, strict=True) if value is not None)
        assert total / len(targets) == pytest.approx(found["ndcg@10"])


@given(outcomes(), st.randoms(use_true_random=False))
def test_the_order_of_queries_does_not_matter(
    drawn: tuple[Outcome, Codes, Offsets, Floats], random: object
) -> None:
    outcome, targets, counts, vectors = drawn
    order = sorted(range(len(targets)), key=lambda _: random.random())  # type: ignore[attr-defined]
    moved = Outcome(outcome.ranks[order], outcome.top[order])
    before, after = (measure(o, t, counts, vectors) for o, t in ((outcome, targets), (moved, targets[order])))
    assert {k for k, v in before.items() if v is None} == {k for k, v in after.items() if v is None}
    assert [v or 0 for v in before.values()] == pytest.approx([v or 0 for v in after.values()], abs=1e-6)


def test_a_rare_target_counts_in_its_group_alone() -> None:
    outcome = Outcome(np.array([1, 4], np.int32), np.full((2, 10), -1, np.int32))
    found = measure(outcome, np.array([0, 2], np.int32), np.array([6, 1, 0, 0, 0]))
    assert found["ndcg@10/count=0"] == pytest.approx(1 / np.log2(5))
    assert found["ndcg@10/count=6-20"] == 1
    assert found["ndcg@10/count>20"] is None


def test_nothing_ranked_gives_no_metric() -> None:
    nothing = Outcome(np.zeros(0, np.int32), np.zeros((0, 10), np.int32))
    found = measure(nothing, np.zeros(0, np.int32), np.ones(3, np.int64), np.eye(3, dtype=np.float32))
    assert set(found.values()) == {None}


def test_values_per_query_feed_the_comparison() -> None:
    outcome = Outcome(np.array([1, 10, 11], np.int32), np.zeros((3, 10), np.int32))
    assert per_query(outcome).tolist() == pytest.approx([1, 1 / np.log2(11), 0])
    assert per_query(outcome, "recall@10").tolist() == [1, 1, 0]
    assert per_query(outcome, "mrr").tolist() == [1, 0.1, 1 / 11]
