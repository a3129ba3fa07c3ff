"""Fusion against its definition, and against scorers that it has to find again."""

from contextlib import nullcontext
from typing import get_args
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.stats import spearmanr

from tailrank.arrays import Floats
from tailrank.errors import ModelError
from tailrank.ranking.fusion import (
    COUNT_KNOTS,
    HISTORY_LABELS,
    PRIOR_WEIGHT,
    Fusion,
    history_buckets,
    knot_shares,
)
from tailrank.ranking.fusion_objective import SMOOTHNESS, FusionObjective, Loss, SampledCandidates
from tailrank.signals.stored import StoredArrays

TRUTH = np.array([2.0, -1.0, 0.5])
SCALES = np.array([1.0, 10.0, 0.1], np.float32)
NAMES = ("one", "ten", "tenth")
each_loss = pytest.mark.parametrize("loss", get_args(Loss))


def simulated(queries: int, candidates: int = 40, seed: int = 0) -> SampledCandidates:
    """Lists whose target is drawn by a softmax over a known linear score of signals on unequal scales."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((queries, candidates, 3)).astype(np.float32)
    drawn = np.argmax(features @ TRUTH + rng.gumbel(size=(queries, candidates)), axis=1)
    rows = np.arange(queries)
    features[rows, 0], features[rows, drawn] = features[rows, drawn], features[rows, 0].copy()
    levels = rng.integers(0, 6, (queries, candidates)).astype(np.int32)
    histories = rng.integers(1, 3, queries).astype(np.int32)
    return SampledCandidates(
        features * SCALES, levels, histories, np.zeros((queries, candidates), np.float32)
    )


@pytest.fixture(scope="module")
def fitted() -> dict[Loss, Fusion]:
    return {loss: Fusion.fit(NAMES, simulated(1_500), loss) for loss in get_args(Loss)}


@each_loss
def test_a_linear_scorer_is_found_again(fitted: dict[Loss, Fusion], loss: Loss) -> None:
    unseen = simulated(20, seed=1)
    scores = np.stack(
        [
            fitted[loss].fuse(list(signals.T[:, None]), buckets, history[None]).total[0]
            for signals, buckets, history in zip(
                unseen.features, unseen.candidates, unseen.histories, strict=True
            )
        ]
    )
    truth = unseen.features / SCALES @ TRUTH
    assert min(spearmanr(a, b).statistic for a, b in zip(scores, truth, strict=True)) > 0.97


def test_the_listwise_loss_finds_the_weights_themselves(fitted: dict[Loss, Fusion]) -> None:
    seen = fitted["listwise"].weights[:2, 1:3] * SCALES
    np.testing.assert_allclose(seen, np.broadcast_to(TRUTH, seen.shape), atol=0.35)


def test_weights_in_units_of_spread_do_not_depend_on_the_scale_of_a_signal(
    fitted: dict[Loss, Fusion],
) -> None:
    fusion = fitted["listwise"]
    assert fusion.spreads is not None
    np.testing.assert_allclose(fusion.spreads, SCALES, rtol=0.05)
    np.testing.assert_allclose(fusion.standardised_weights, fusion.weights * SCALES, rtol=0.05)


@each_loss
def test_buckets_without_evidence_keep_the_shared_weights(fitted: dict[Loss, Fusion], loss: Loss) -> None:
    weights, biases = fitted[loss].weights, fitted[loss].biases
    unseen = np.ones(biases.shape, dtype=bool)
    unseen[:, 1:3] = False
    assert np.ptp(weights[unseen], axis=0).max() < 1e-6
    shared = weights[unseen][0] * SCALES
    assert np.abs(shared - PRIOR_WEIGHT).max() > 0.5
    assert np.array_equal(np.sign(shared), np.sign(TRUTH))


def test_a_knot_without_evidence_goes_on_from_its_neighbour(fitted: dict[Loss, Fusion]) -> None:
    weights = fitted["listwise"].weights[:, 1] * SCALES
    shared = fitted["listwise"].weights[0, 0] * SCALES
    assert np.abs(weights[2:] - shared).max() > 0.01
    gaps = np.abs(weights - shared)
    assert (np.diff(gaps[1:], axis=0) < 0).all()


def test_shrinkage_pulls_buckets_together() -> None:
    pool = simulated(300)
    loose, tight = (Fusion.fit(NAMES, pool, shrinkage=s).weights * SCALES for s in (0.01, 1e4))
    assert np.ptp(tight, axis=(0, 1)).max() < 0.05 < np.ptp(loose, axis=(0, 1)).max()
    np.testing.assert_allclose(tight, PRIOR_WEIGHT, atol=0.1)


def prior_of(objective: FusionObjective) -> np.ndarray:
    prior = np.zeros(objective.shape)
    prior[0, :-1] = PRIOR_WEIGHT
    return prior


def objective_of(pool: SampledCandidates, loss: Loss, shrinkage: float) -> FusionObjective:
    importance = np.arange(len(pool.features), dtype=np.float32)
    return FusionObjective(pool, importance, knot_shares(COUNT_KNOTS), len(HISTORY_LABELS), loss, shrinkage)


def naive_loss(flat: np.ndarray, pool: SampledCandidates, loss: Loss, shrinkage: float) -> float:
    """Negative log posterior by loops, in double precision; query n counts n times."""
    parameters = flat.reshape(1 + 5 * len(COUNT_KNOTS), -1)
    total = 0.0
    for query, candidates in enumerate(pool.candidates):
        logits, standing = [], np.exp(pool.log_odds[query].astype(float))
        for at, level in enumerate(candidates):
            by_knot = parameters[1 + pool.histories[query] :: 5]
            own = parameters[0] + [np.interp(level, COUNT_KNOTS, column) for column in by_knot.T]
            logits.append(pool.features[query, at].astype(float) @ own[:-1] + own[-1])
        chances = np.exp(logits)
        if loss == "listwise":
            total -= query * np.log(chances[0] / (standing @ chances))
        else:
            chances /= 1 + chances
            total -= query * (np.log(chances[0]) + standing[1:] @ np.log(1 - chances[1:]))
    prior = np.zeros_like(parameters)
    prior[0, :-1] = PRIOR_WEIGHT
    total += shrinkage * ((parameters - prior) ** 2).sum()
    for knot in range(1, len(COUNT_KNOTS)):
        here, before = (parameters[1 + 5 * at : 6 + 5 * at] for at in (knot, knot - 1))
        total += shrinkage * SMOOTHNESS * ((here - before) ** 2).sum()
    return float(total / sum(range(len(pool.candidates))))


@each_loss
def test_the_gradient_is_that_of_the_definition(loss: Loss) -> None:
    pool = simulated(6, candidates=5)
    log_odds = np.zeros((6, 5), np.float32)
    log_odds[:, 3] = np.log(7.5)
    log_odds[2:, 4] = -np.inf
    pool = SampledCandidates(pool.features / SCALES, pool.candidates, pool.histories, log_odds)
    objective = objective_of(pool, loss, 0.7)
    prior = prior_of(objective)
    at = prior.ravel() + np.random.default_rng(3).normal(0, 0.5, prior.size)
    value, gradient = objective(at, prior)
    assert value == pytest.approx(naive_loss(at, pool, loss, 0.7), rel=1e-5)
    np.testing.assert_allclose(gradient, approx_fprime(at, naive_loss, 1e-6, pool, loss, 0.7), atol=1e-4)


@each_loss
def test_scores_far_out_neither_overflow_nor_turn_nan(loss: Loss) -> None:
    pool = simulated(4)
    objective = objective_of(pool.scaled(np.full(3, 1e-4, np.float32)), loss, 1.0)
    prior = prior_of(objective)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = objective(prior.ravel(), prior)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_log_odds_make_a_sample_agree_with_the_full_list() -> None:
    full = simulated(3_000, candidates=200)
    rng = np.random.default_rng(5)
    # The target, what the first signal likes best (certain), and a random tenth of the rest.
    best = 1 + np.argsort(-full.features[:, 1:, 0], axis=1)
    rest = rng.permuted(best[:, 20:], axis=1)[:, :18]
    codes = np.concatenate([np.zeros((3_000, 1), int), best[:, :20], rest], axis=1)
    odds = np.zeros(codes.shape, np.float32)
    odds[:, 21:] = np.log((199 - 20) / 18)
    features = np.take_along_axis(full.features, codes[..., None], axis=1)
    buckets = np.take_along_axis(full.candidates, codes, axis=1)

    def weights(pool: SampledCandidates) -> Floats:
        return Fusion.fit(NAMES, pool).weights[:2, 1:3] * SCALES

    truth = weights(full)
    corrected = np.abs(weights(SampledCandidates(features, buckets, full.histories, odds)) - truth).max()
    blind = np.abs(weights(SampledCandidates(features, buckets, full.histories, odds * 0)) - truth).max()
    assert corrected < 0.15
    assert blind > 3 * corrected


@given(st.integers(0, 4), st.integers(0, 6), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_fused_scores_add_up_as_a_loop_does(users: int, items: int, signals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fusion = Fusion(
        tuple("abc"[:signals]),
        rng.standard_normal((6, 5, signals)).astype(np.float32),
        rng.standard_normal((6, 5)).astype(np.float32),
        loss=0.0,
    )
    values = [rng.standard_normal((users, items)).astype(np.float32) for _ in range(signals)]
    levels, histories = rng.integers(0, 151, items), rng.integers(0, 5, users)
    expected = np.zeros((users, items))
    for u in range(users):
        for c in range(items):
            bias, weights = fusion.biases[:, histories[u]], fusion.weights[:, histories[u]]
            expected[u, c] = np.interp(levels[c], COUNT_KNOTS, bias) + sum(
                np.interp(levels[c], COUNT_KNOTS, weights[:, s]) * values[s][u, c] for s in range(signals)
            )
    fused = fusion.fuse(values, levels.astype(np.int32), histories.astype(np.int32))
    found = fused.total
    for row in range(users):
        parts = fused.parts(row)[1].sum(axis=0)
        np.testing.assert_allclose(parts, found[row], rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def drawn(seed: int, signals: int = 2) -> Fusion:
    rng = np.random.default_rng(seed)
    return Fusion(
        NAMES[:signals],
        rng.standard_normal((6, 5, signals)).astype(np.float32),
        rng.standard_normal((6, 5)).astype(np.float32),
        loss=float(rng.random()),
    )


@given(st.integers(0, 5), st.integers(0, 1_000))
def test_lists_of_their_own_are_fused_as_one_by_one(lists: int, seed: int) -> None:
    rng, fusion = np.random.default_rng(seed), drawn(seed)
    lengths, histories = rng.integers(0, 4, lists), rng.integers(0, 5, lists).astype(np.int32)
    levels = rng.integers(0, 151, lengths.sum()).astype(np.int32)
    signals = [rng.standard_normal(len(levels)).astype(np.float32) for _ in NAMES[:2]]
    together = fusion.fuse_lists(signals, levels, histories.repeat(lengths))
    ends = lengths.cumsum()
    for row, (start, end) in enumerate(zip(ends - lengths, ends, strict=True)):
        own = [scores[None, start:end] for scores in signals]
        alone = fusion.fuse(own, levels[start:end], histories[row : row + 1]).total[0]
        np.testing.assert_array_equal(together[start:end], alone)


def test_signals_that_are_not_those_of_the_weights_are_no_score() -> None:
    with pytest.raises(ValueError, match="zip"):
        drawn(0).fuse([np.zeros((1, 1), np.float32)], np.zeros(1, np.int32), np.zeros(1, np.int32))


def test_what_is_said_by_default_is_the_listwise_loss_and_a_prior_of_precision_one() -> None:
    pool = simulated(50)
    found, said = Fusion.fit(NAMES, pool), Fusion.fit(NAMES, pool, "listwise", 1.0)
    np.testing.assert_array_equal(found.weights, said.weights)


@each_loss
def test_a_fit_that_starts_where_another_ended_stays_there(fitted: dict[Loss, Fusion], loss: Loss) -> None:
    end = fitted[loss]
    with patch.object(
        FusionObjective, "__call__", autospec=True, side_effect=FusionObjective.__call__
    ) as asked:
        again = Fusion.fit(NAMES, simulated(1_500), loss, start=end)
    # It may still move by what stops a fit: less than 2e-5 of the loss.
    assert again.loss == pytest.approx(end.loss, rel=1e-4)
    np.testing.assert_allclose(again.weights * SCALES, end.weights * SCALES, atol=0.02)
    assert asked.call_count <= 5


def test_a_signal_that_never_differs_counts_in_its_own_unit() -> None:
    pool = simulated(50)
    pool.features[..., 2] = 7.0
    unseen = Fusion.fit(NAMES, pool).weights[:, 0, 2]
    assert unseen == pytest.approx(PRIOR_WEIGHT, abs=1e-5)


def test_before_evidence_taste_counts_nothing_and_popularity_by_the_event() -> None:
    pool = simulated(50)
    pool.features[..., 0] /= 100  # counts that hardly differ
    held = Fusion.fit(("popularity", "taste", "tenth"), pool, shrinkage=1e6)
    expected = np.array([PRIOR_WEIGHT, 0, PRIOR_WEIGHT / 0.1])
    np.testing.assert_allclose(
        held.weights, np.broadcast_to(expected, held.weights.shape), rtol=0.05, atol=1e-3
    )
    assert held.spreads is not None


@given(st.floats(0, 1), st.integers(0, 100))
def test_a_share_of_the_way_to_another_fusion_is_that_share_of_each_score(share: float, seed: int) -> None:
    one, other = drawn(seed), drawn(seed + 1)
    mixed, rng = one.toward(other, share), np.random.default_rng(seed)
    signals = [rng.standard_normal((2, 3)).astype(np.float32) for _ in range(2)]
    levels, histories = np.array([0, 7, 150], np.int32), np.arange(2, dtype=np.int32)
    near, far, found = (each.fuse(signals, levels, histories).total for each in (one, other, mixed))
    np.testing.assert_allclose(found, (1 - share) * near + share * far, atol=1e-5)
    assert mixed.loss == pytest.approx((1 - share) * one.loss + share * other.loss)
    assert mixed.tail_emphasis == share
    assert repr(mixed) == f"Fusion(one, ten; tail emphasis {share:g})"


def test_lifts_add_up_and_reach_items_without_interactions_only() -> None:
    before = drawn(0)
    lifted = before.lifted(0.5).lifted(0.25)
    expected = before.biases + np.where(np.array(COUNT_KNOTS) == 0, 0.75, 0)[:, None]
    np.testing.assert_allclose(lifted.biases, expected, rtol=1e-6)
    assert lifted.new_lift == 0.75


def test_weights_of_before_they_had_knots_rank_as_they_did() -> None:
    rng = np.random.default_rng(0)
    weights, biases = (rng.standard_normal((4, 5, *more)).astype(np.float32) for more in ((2,), ()))
    arrays = {"weights": weights, "biases": biases, "loss": np.array([1.5])}
    fusion = Fusion.from_arrays(NAMES[:2], StoredArrays(arrays, 1, 1))
    assert (fusion.signals, fusion.loss) == (NAMES[:2], 1.5)
    for level, bucket in ((0, 0), (1, 1), (5, 1), (6, 2), (20, 2), (21, 3), (150, 3)):
        at = np.array([level])
        np.testing.assert_allclose(fusion.weights_of(at, 3)[:, 0], weights[bucket, 3], rtol=1e-6)
        np.testing.assert_allclose(fusion.biases_of(at, 3), biases[bucket, 3], rtol=1e-6)
    for lacking in ("weights", "biases"):
        with pytest.raises(ModelError, match=lacking):
            Fusion.from_arrays(NAMES[:2], StoredArrays({**arrays, lacking: arrays[lacking][:3]}, 1, 1))
    with pytest.raises(ModelError, match="weights"):
        Fusion.from_arrays(NAMES, StoredArrays(arrays, 1, 1))
    for most, fits in ((1e14, True), (1e16, False)):  # signals of very little spread have large weights
        arrays["weights"][0, 0, 0] = most
        with nullcontext() if fits else pytest.raises(ModelError, match="weights"):
            Fusion.from_arrays(NAMES[:2], StoredArrays(arrays, 1, 1))


@pytest.mark.parametrize(
    ("events", "bucket"), [(0, 0), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (12, 3), (13, 4), (50, 4)]
)
def test_history_buckets(events: int, bucket: int) -> None:
    found = history_buckets(np.array([events]))
    assert found.tolist() == [bucket]
    assert found.dtype == np.int32  # as it is stored
