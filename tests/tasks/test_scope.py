"""Scope: texts unlike those learned from are refused, and few others."""

import numpy as np

from tailrank.arrays import Floats
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.scope import NEIGHBOURS, Scope, threshold_for


def unit(rng: np.random.Generator, n: int) -> Floats:
    drawn = rng.normal(size=(n, 8)).astype(np.float32)
    scaled: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return scaled


def test_a_score_is_the_mean_cosine_to_the_nearest() -> None:
    rng = np.random.default_rng(0)
    known, new = unit(rng, 50), unit(rng, 9)
    expected = [np.mean(sorted(float(a @ b) for b in known)[-NEIGHBOURS:]) for a in new]
    np.testing.assert_allclose(Scope(known).scores(new), expected, rtol=1e-5)
    np.testing.assert_allclose(Scope(known[:2]).scores(new), (new @ known[:2].T).mean(axis=1), rtol=1e-5)


def test_no_more_than_the_share_is_refused_on_average() -> None:
    rng = np.random.default_rng(1)
    for share in (0.04, 0.2):
        draws = [(rng.normal(size=60), rng.normal(size=500)) for _ in range(400)]
        refused = [np.mean(new < threshold_for(old, share)) for old, new in draws]
        assert share - 0.02 < np.mean(refused) < share + 3 * np.std(refused) / 20


def test_what_the_texts_were_not_about_is_refused(encoder: TextEncoder) -> None:
    kinds, places = ("bank", "credit", "debit"), ("Rome", "Oslo", "Bern", "a taxi", "the park", "a shop")
    known = encoder.encode([f"I lost my {kind} card in {place}" for kind in kinds for place in places])
    fresh = encoder.encode([f"my {kind} card is lost" for kind in ("gold", "black", "bank")] * 10)
    scope = Scope(known).refusing(fresh, 0.04)
    near, far = scope.scores(encoder.encode(["my debit card is lost", "how do whales sleep"]))
    assert scope.refused(np.array([near, far])).tolist() == [False, True]
