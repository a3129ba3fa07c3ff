"""Whitening against scikit-learn, and its edge cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from tailrank.arrays import Doubles, Floats
from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.language.whitening import Whitening


def unit_vectors(n: int, d: int, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)) * np.linspace(1, 0.1, d) + 0.5
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def cosines(vectors: Doubles) -> Doubles:
    unit: Doubles = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("n", [40, 300])
def test_power_one_half_whitens_by_the_covariance_of_ledoit_and_wolf(n: int) -> None:
    vectors = unit_vectors(n, 12)
    oracle = LedoitWolf().fit(vectors.astype(np.float64))
    spread, directions = np.linalg.eigh(oracle.covariance_)
    expected = ((vectors - oracle.location_) @ directions / np.sqrt(spread))[:, -7:]
    white = Whitening.fit(vectors, dimensions=7, power=0.5).transform(vectors)
    np.testing.assert_allclose(white @ white.T, cosines(expected), atol=1e-4)


def test_few_vectors_shrink_within_the_space_that_they_span() -> None:
    vectors = unit_vectors(9, 40)
    scores = PCA(8).fit_transform(vectors.astype(np.float64))
    expected = scores @ np.linalg.inv(sqrtm(LedoitWolf().fit(scores).covariance_))
    white = Whitening.fit(vectors, power=0.5).transform(vectors)
    np.testing.assert_allclose(white @ white.T, cosines(expected), atol=1e-4)


@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 5))
def test_the_map_widens_no_direction_more_than_plain_whitening_does(n: int, d: int, seed: int) -> None:
    vectors = unit_vectors(n, d, seed)
    spread = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2 / n
    stretch = np.linalg.svd(Whitening.fit(vectors).matrix, compute_uv=False)
    assert stretch.max() <= spread[: min(n - 1, d)].min() ** -0.45 * 1.001


def test_many_vectors_are_whitened_nearly_in_full() -> None:
    vectors = unit_vectors(5000, 6)
    whitening = Whitening.fit(vectors, power=0.5)
    assert np.linalg.cond(np.cov(vectors.T)) > 20
    np.testing.assert_allclose(
        np.cov(((vectors - whitening.mean) @ whitening.matrix).T), np.eye(6), atol=0.05
    )


def test_a_small_shop_keeps_similar_items_together(encoder: TextEncoder) -> None:
    shop = """Filter coffee dripper. kitchen
        Paper coffee filters. kitchen
        Hand coffee grinder. kitchen
        Two-person tent. outdoor
        Down sleeping bag. outdoor
        Camping gas stove. outdoor
        Enamel campfire mug. outdoor
        Espresso coffee cups. kitchen"""
    vectors = encoder.encode([line.strip() for line in shop.splitlines()])
    white = Whitening.fit(vectors, dimensions=256).transform(vectors)
    dripper, _, grinder, tent, bag, *_ = white
    assert tent @ bag > 0.2
    assert dripper @ grinder > 0.2
    assert max(tent @ dripper, tent @ grinder, bag @ dripper, bag @ grinder) < -0.2


def test_zero_vectors_stay_zero_and_do_not_count() -> None:
    vectors = unit_vectors(50, 6)
    padded = np.vstack([vectors, np.zeros((20, 6), np.float32)])
    with_zeros, without = Whitening.fit(padded), Whitening.fit(vectors)
    np.testing.assert_array_equal(with_zeros.matrix, without.matrix)
    np.testing.assert_array_equal(with_zeros.mean, without.mean)
    assert not with_zeros.transform(padded)[50:].any()


def test_equal_vectors_count_as_often_as_they_occur() -> None:
    vectors = unit_vectors(30, 4)
    doubled = np.vstack([vectors, vectors[:3]])
    np.testing.assert_allclose(Whitening.fit(doubled).mean, doubled.mean(axis=0), atol=1e-6)


def test_a_repeated_catalogue_is_no_larger() -> None:
    vectors = unit_vectors(30, 40)
    once, often = Whitening.fit(vectors), Whitening.fit(np.tile(vectors, (100, 1)))
    np.testing.assert_allclose(once.transform(vectors), often.transform(vectors), atol=1e-4)


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 5))
def test_any_number_of_vectors_gives_unit_or_zero_vectors(n: int, d: int, seed: int) -> None:
    vectors = unit_vectors(n, d, seed)
    whitening = Whitening.fit(vectors)
    white = whitening.transform(vectors)
    assert whitening.matrix.shape == (d, d)
    assert white.dtype == np.float32
    norms = np.linalg.norm(white, axis=1)
    assert (np.isclose(norms, 1, atol=1e-4) | (norms == 0)).all()


def test_constant_vectors_have_nothing_to_tell_them_apart() -> None:
    constant = np.tile(unit_vectors(1, 5), (10, 1))
    whitening = Whitening.fit(constant)
    assert not whitening.matrix.any()
    assert not whitening.transform(constant).any()
    assert not Whitening.fit(np.zeros((3, 5), np.float32)).transform(unit_vectors(2, 5)).any()


def test_fits_agree_when_rows_come_in_another_order() -> None:
    vectors = unit_vectors(200, 8)
    np.testing.assert_allclose(
        Whitening.fit(vectors).matrix, Whitening.fit(vectors[::-1]).matrix, rtol=1e-3, atol=1e-5
    )


def test_whitening_spreads_the_narrow_cone_of_a_language_model(encoder: TextEncoder) -> None:
    texts = [
        f"{color} {thing}"
        for color in ("red", "green", "blue", "old")
        for thing in ("lipstick", "tea", "drill", "film", "shoe")
    ]
    vectors = encoder.encode(texts)
    white = Whitening.fit(vectors, dimensions=10).transform(vectors)
    off = ~np.eye(len(texts), dtype=bool)
    assert (vectors @ vectors.T)[off].mean() > 0.2
    assert abs((white @ white.T)[off].mean()) < 0.1


def test_what_is_refused() -> None:
    vectors = unit_vectors(10, 4)
    for dimensions, power in ((0, 0.45), (5, 0.45), (2, -1.0), (2, np.nan)):
        with pytest.raises(EncoderError, match="dimensions from 1 to 4"):
            Whitening.fit(vectors, dimensions, power)
    with pytest.raises(EncoderError, match="finite"):
        Whitening.fit(np.full((3, 4), np.nan, np.float32))
    with pytest.raises(EncoderError, match="have width 5"):
        Whitening.fit(vectors).transform(unit_vectors(2, 5))
