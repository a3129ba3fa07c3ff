"""What lists do to a catalogue, against independent implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.metrics.beyond_accuracy import exposure, exposure_curve, gini, list_metrics


@st.composite
def lists(draw: st.DrawFn) -> tuple[Codes, Offsets, Floats]:
    """Lists of distinct items, some of them short, with training counts and item vectors."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    queries, items = draw(st.integers(1, 12)), draw(st.integers(2, 40))
    top = np.full((queries, 10), -1, np.int32)
    top[:, :items] = np.argsort(rng.random((queries, items)), axis=1)[:, :10]
    top[np.arange(10) >= rng.integers(0, 11, queries)[:, None]] = -1
    vectors = rng.normal(size=(items, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return top, rng.geometric(0.2, items) - 1, vectors


counts_shown = arrays(np.int64, st.integers(2, 30), elements=st.integers(0, 1000)).filter(
    lambda n: n.sum() > 0
)


@given(counts_shown)
def test_the_curve_of_exposure_adds_up_the_most_shown_first(shown: Offsets) -> None:
    times, items = np.unique(shown, return_counts=True)
    shares = np.arange(len(shown) + 1) / len(shown)
    expected = [sorted(shown, reverse=True)[:first] for first in range(len(shown) + 1)]
    found = exposure_curve(times, items, shares)
    assert found == pytest.approx([sum(each) / shown.sum() for each in expected])


@given(counts_shown)
def test_gini_is_the_mean_absolute_difference(shown: Offsets) -> None:
    n = len(shown)
    absolute = np.abs(shown[:, None] - shown[None, :]).sum()
    assert gini(shown) == pytest.approx(absolute / (2 * n * (n - 1) * shown.mean()))


@given(lists())
def test_list_distance_agrees_with_scipy(drawn: tuple[Codes, Offsets, Floats]) -> None:
    top, counts, vectors = drawn
    rows = [row[row >= 0] for row in top]
    expected = [pdist(vectors[items], "cosine").mean() for items in rows if len(items) > 1]
    found = list_metrics(top, counts, vectors)["ild@10"]
    assert found == (pytest.approx(np.mean(expected), abs=1e-5) if expected else None)


def test_list_distance_is_the_same_beyond_one_chunk() -> None:
    items = 60
    top = np.argsort(np.random.default_rng(0).random((1500, items)), axis=1)[:, :10].astype(np.int32)
    vectors = np.eye(items, dtype=np.float32)
    vectors[0] = 0
    assert list_metrics(top, np.ones(items, np.int64), vectors)["ild@10"] == 1


@given(lists())
def test_metrics_stay_in_their_ranges(drawn: tuple[Codes, Offsets, Floats]) -> None:
    top, counts, vectors = drawn
    found = list_metrics(top, counts, vectors)
    ends = {
        "coverage@10": (0, 1),
        "gini@10": (0, 1),
        "aplt@10": (0, 1),
        "arp@10": (counts.min(), counts.max()),
        "novelty@10": (0, np.inf),
        "ild@10": (-1e-6, 2 + 1e-6),
    }
    assert found.keys() == ends.keys()
    assert all(value is None or ends[name][0] <= value <= ends[name][1] for name, value in found.items())
    assert (found["arp@10"] is None) == (top < 0).all()


def test_popularity_and_novelty_by_hand() -> None:
    counts = np.array([6, 1, 0, 0, 0])
    top = np.full((2, 10), -1, np.int32)
    top[0, :2] = [0, 1]
    top[1, :1] = [2]
    found = list_metrics(top, counts)
    assert found["arp@10"] == pytest.approx((3.5 + 0) / 2)
    assert found["aplt@10"] == pytest.approx((0.5 + 1) / 2)
    assert found["coverage@10"] == pytest.approx(3 / 5)
    bits = -np.log2(np.array([7, 2, 1]) / 12)
    assert found["novelty@10"] == pytest.approx((bits[:2].mean() + bits[2]) / 2)
    assert found["ild@10"] is None
    assert exposure(top, 5).tolist() == [1, 1, 1, 0, 0]
