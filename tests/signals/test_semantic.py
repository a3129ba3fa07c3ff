"""The attention's limits, its gradient, and what it learns from users who behave in a known way."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from tailrank.arrays import Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import UNTYPED, Histories, Queries
from tailrank.signals.appendable import VectorTable
from tailrank.signals.attention_fit import SHARPEST, draw_samples, mean_loss, with_untyped_bias
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.stored import StoredArrays

DAY = 86_400.0
RNG = np.random.default_rng(11)


def unit(n: int, dimensions: int, rng: np.random.Generator) -> Floats:
    vectors = rng.standard_normal((n, dimensions)).astype(np.float32)
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def attention(vectors: Floats, n_types: int = 1, **options: Any) -> SemanticAttention:
    return SemanticAttention(VectorTable.from_array(vectors), np.zeros(n_types, np.float32), **options)


def one_history(*items: int, days: float = 0.0) -> Histories:
    n = len(items)
    return Histories(
        np.array(items, np.int32),
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.float64) * days * DAY,
        np.array([0, n]),
    )


def asked(histories: Histories, targets: np.ndarray) -> Queries:
    """Ask everybody for the target after the whole history."""
    starts, ends = histories.offsets[:-1], histories.offsets[1:]
    return Queries(
        histories, np.arange(len(starts), dtype=np.int32), starts, ends, ends, targets.astype(np.int32)
    )


class TestLimits:
    vectors = unit(30, 6, RNG)
    everything = Candidates.everything(30)
    similarity = (vectors @ vectors[[4, 9, 17]].T).astype(np.float64)

    def test_inverse_temperature_0_is_the_weighted_mean(self) -> None:
        scores = attention(self.vectors, inverse_temperature=0.0, recency_decay=1.0).score(
            one_history(4, 9, 17), self.everything
        )
        weights = np.array([1 / 3, 1 / 2, 1])
        np.testing.assert_allclose(scores[0], self.similarity @ weights / weights.sum(), atol=1e-6)

    def test_a_high_inverse_temperature_is_the_maximum(self) -> None:
        # The best of three stands out from the next by `gap`, so at most 2 exp(-30 gap) goes elsewhere.
        scores = attention(self.vectors, inverse_temperature=SHARPEST, recency_decay=0.0).score(
            one_history(4, 9, 17), self.everything
        )
        ordered = np.sort(self.similarity, axis=1)
        lost = 4 * np.exp(-SHARPEST * (ordered[:, 2] - ordered[:, 1]))
        assert (scores[0] <= ordered[:, 2] + 1e-6).all()
        assert (scores[0] >= ordered[:, 2] - lost - 1e-6).all()

    def test_the_extremes_neither_overflow_nor_vanish(self) -> None:
        vectors = np.array([[1, 0], [-1, 0]], np.float32)
        history = Histories(
            np.zeros(50, np.int32),
            np.arange(50, dtype=np.int32) % 2,
            np.arange(50, dtype=np.float64) * 300 * DAY,
            np.array([0, 50]),
        )
        for bias in ([0, 3], [0, -3]):
            signal = SemanticAttention(
                VectorTable.from_array(vectors), np.array(bias, np.float32), SHARPEST, 5.0, 5.0
            )
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                np.testing.assert_allclose(signal.score(history, Candidates.everything(2)), [[1, -1]])
                np.testing.assert_allclose(
                    signal.by_event(history, Candidates.everything(2)).sum(axis=0), [1, -1]
                )

    def test_an_item_without_text_scores_zero(self) -> None:
        vectors = np.vstack([self.vectors, np.zeros((1, 6), np.float32)])
        signal = attention(vectors)
        assert signal.score(one_history(4, 9), Candidates.everything(31))[0, 30] == 0
        assert not signal.score(one_history(30), Candidates.everything(31)).any()

    def test_days_count_only_by_time_decay(self) -> None:
        near, far = one_history(4, 9, days=0.1), one_history(4, 9, days=100)
        still, time_decay = attention(self.vectors), attention(self.vectors, time_decay=1.0)
        assert np.array_equal(still.score(near, self.everything), still.score(far, self.everything))
        latest = self.similarity[:, 1]
        far_off, near_off = (
            np.abs(time_decay.score(h, self.everything)[0] - latest).mean() for h in (far, near)
        )
        assert far_off < near_off / 5


def naive_loss(parameters: Doubles, vectors: Floats, queries: Queries, candidates: np.ndarray) -> float:
    """Negative log-likelihood of the targets by loops, in double precision."""
    temperature, inverse_temperature, recency_decay, time_decay, *kinds = parameters
    h, losses = queries.histories, []
    counts = [np.sum(h.latest(50).types == code) for code in range(len(kinds))]
    kinds.append(np.log(np.dot(counts, np.exp(kinds)) / np.sum(counts)))  # of an event without a type
    for query, (start, end) in enumerate(zip(h.offsets[:-1], h.offsets[1:], strict=True)):
        events = range(max(start, end - 50), end)
        prior = [
            kinds[h.types[at]]
            - recency_decay * np.log1p(end - 1 - at)
            - time_decay * np.log1p((h.times[end - 1] - h.times[at]) / DAY)
            for at in events
        ]
        logits = []
        for candidate in candidates[query]:
            s = np.array([vectors[candidate].astype(float) @ vectors[h.items[at]] for at in events])
            a = np.exp(inverse_temperature * s + prior)
            logits.append(temperature * float(a @ s / a.sum()))
        losses.append(np.log(np.exp(logits).sum()) - logits[0])
    return float(np.mean(losses))


@pytest.mark.parametrize(
    "parameters", [[10, 4, 0.7, 0, 0, 0], [25, 12, 1.5, 0.8, 0, -2], [3, 0, 0, 2, 0, 1]], ids=str
)
def test_the_gradient_is_that_of_the_definition(parameters: list[float]) -> None:
    rng = np.random.default_rng(5)
    vectors, lengths = unit(40, 5, rng), np.array([1, 7, 3, 60])
    n = int(lengths.sum())
    histories = Histories(
        rng.integers(0, 40, n).astype(np.int32),
        rng.integers(UNTYPED, 2, n).astype(np.int32),
        np.sort(rng.random(n)) * 30 * DAY,
        np.concatenate([[0], np.cumsum(lengths)]),
    )
    queries = asked(histories, rng.integers(0, 40, 4))
    samples = draw_samples(vectors, 2, queries, np.random.default_rng(1))
    assert len(samples) == 4
    negatives = np.random.default_rng(1).integers(0, 40, (4, 128), dtype=np.int32)
    candidates = np.concatenate([queries.targets[:, None], negatives], axis=1)
    at = np.array(parameters, dtype=np.float64)

    loss, gradient = mean_loss(at, samples)
    assert loss == pytest.approx(naive_loss(at, vectors, queries, candidates), rel=1e-4)
    expected = approx_fprime(at, naive_loss, 1e-6, vectors, queries, candidates)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


def followers(rule: str, vectors: Floats, users: int = 600, events: int = 10) -> Queries:
    """People whose next item is the nearest to one event of their history, chosen by a rule."""
    rng = np.random.default_rng(2)
    items, types = rng.integers(0, len(vectors), (users, events)), rng.integers(0, 2, (users, events))
    types[:, 0] = 0
    if rule == "last event":
        chosen = np.full(users, events - 1)
    elif rule == "any event":
        chosen = rng.integers(0, events, users)
    else:  # the latest event of type 0; those of type 1 are noise
        chosen = events - 1 - np.argmax(types[:, ::-1] == 0, axis=1)
    similarity = vectors @ vectors[items[np.arange(users), chosen]].T
    similarity[items[np.arange(users), chosen], np.arange(users)] = -2
    histories = Histories(
        items.ravel().astype(np.int32),
        types.ravel().astype(np.int32),
        np.tile(np.arange(events) * 60.0, users),
        np.arange(users + 1) * events,
    )
    return asked(histories, similarity.argmax(axis=0))


@pytest.fixture(scope="module")
def learned() -> dict[str, SemanticAttention]:
    vectors = unit(300, 8, np.random.default_rng(1))
    rules = ("last event", "any event", "latest of type 0")
    return {rule: SemanticAttention.from_vectors(vectors, 2, followers(rule, vectors)) for rule in rules}


def test_recency_decay_grows_if_users_follow_their_last_event(learned: dict[str, SemanticAttention]) -> None:
    assert learned["last event"].recency_decay > 2
    assert learned["any event"].recency_decay < 1


def test_inverse_temperature_grows_if_users_follow_any_one_event(
    learned: dict[str, SemanticAttention],
) -> None:
    assert learned["any event"].inverse_temperature > 8


def test_sharp_attention_is_found_behind_one_that_hardly_chooses() -> None:
    """From an inverse temperature of 4 the search ends at 1.3, where the targets are less likely."""
    vectors = unit(200, 16, np.random.default_rng(1))
    fitted = SemanticAttention.from_vectors(vectors, 2, followers("any event", vectors))
    assert fitted.inverse_temperature > 8


def test_a_type_that_is_noise_loses_attention(learned: dict[str, SemanticAttention]) -> None:
    assert learned["latest of type 0"].event_type_bias[0] == 0
    assert learned["latest of type 0"].event_type_bias[1] < -1.5
    assert abs(learned["last event"].event_type_bias[1]) < 0.5


def test_an_event_without_a_type_is_a_mix_of_all_types_as_often_as_they_occur() -> None:
    shares, biases = np.array([0.25, 0.75], np.float32), np.log(np.array([1, 5], np.float32))
    signal = SemanticAttention(
        VectorTable.from_array(unit(9, 4, RNG)), with_untyped_bias(biases, shares), 0.0, 0.0
    )
    items = np.array([3, 8], np.int32)

    def scores(*types: int) -> Floats:
        history = Histories(items, np.array(types, np.int32), np.zeros(2), np.array([0, 2]))
        found: Floats = signal.score(history, Candidates.everything(9))[0]
        return found

    similarity = signal.vectors.vectors.whole @ signal.vectors.take(items).T
    np.testing.assert_allclose(scores(0, UNTYPED), similarity @ np.array([1, 4]) / 5, atol=1e-6)
    np.testing.assert_allclose(scores(1, UNTYPED), similarity @ np.array([5, 4]) / 9, atol=1e-6)
    np.testing.assert_allclose(scores(UNTYPED, UNTYPED), scores(0, 0), atol=1e-6)


def test_names_of_types_are_nothing_to_an_event_without_one() -> None:
    vectors = unit(300, 8, np.random.default_rng(1))
    queries = followers("latest of type 0", vectors)
    h = queries.source
    renamed = replace(queries, source=replace(h, types=1 - h.types))
    first, second = (SemanticAttention.from_vectors(vectors, 2, asked) for asked in (queries, renamed))
    history = replace(one_history(4, 9, 17), types=np.array([0, 1, UNTYPED], np.int32))
    swapped = replace(history, types=np.array([1, 0, UNTYPED], np.int32))
    everything = Candidates.everything(300)
    np.testing.assert_allclose(first.score(history, everything), second.score(swapped, everything), atol=0.02)


@pytest.mark.parametrize("new", [0, 2])
def test_a_type_that_nothing_was_learned_of_counts_as_none_whatever_its_name(new: int) -> None:
    vectors = unit(300, 8, np.random.default_rng(1))
    queries = followers("latest of type 0", vectors)
    known = [code for code in range(3) if code != new]  # of the two types that occur
    coded = replace(queries.source, types=np.array(known, np.int32)[queries.source.types])
    bias = SemanticAttention.from_vectors(vectors, 3, replace(queries, source=coded)).event_type_bias
    assert bias[known[1]] + 0.5 < bias[new] == bias[UNTYPED] < bias[known[0]] - 0.1


def test_a_model_that_knows_no_untyped_events_takes_all_types_for_equally_frequent() -> None:
    signal = SemanticAttention(VectorTable.from_array(unit(9, 4, RNG)), np.array([0, 2, 1], np.float32))
    arrays = signal.arrays()
    np.testing.assert_array_equal(
        SemanticAttention.from_arrays(StoredArrays(arrays, 9, 2)).event_type_bias, [0, 2, 1]
    )
    older = {name: array for name, array in arrays.items() if name != "untyped_bias"}
    bias = SemanticAttention.from_arrays(StoredArrays(older, 9, 2)).event_type_bias
    np.testing.assert_allclose(bias, [0, 2, np.log((1 + np.exp(2)) / 2)], rtol=1e-6)


def test_without_anything_to_learn_from_the_start_stays() -> None:
    vectors = unit(5, 3, RNG)
    nobody = asked(Histories(*(np.zeros(0, np.int32),) * 2, np.zeros(0), np.array([0, 0])), np.array([1]))
    signal = SemanticAttention.from_vectors(vectors, 1, nobody)
    assert (signal.inverse_temperature, signal.recency_decay, signal.time_decay) == (4.0, 0.7, 0.0)


def test_items_of_equal_text_share_a_vector() -> None:
    vectors = unit(6, 3, RNG)[[0, 1, 2, 0, 1, 5]]
    signal = SemanticAttention.from_vectors(vectors, 1, asked(one_history(0, 2), np.array([3])))
    assert len(signal.vectors.vectors) == 4
    assert np.array_equal(signal.vectors.take(np.arange(6, dtype=np.int32)), vectors)
    scores = signal.score(one_history(0, 5), Candidates.everything(6))[0]
    assert scores[0] == scores[3]
