"""Scope: texts unlike those learned from are refused, and few others."""

import numpy as np
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from tailrank.language.encoder import TextEncoder
from tailrank.tasks.scope import Scope, threshold_for


def test_a_score_is_the_relative_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    vectors = (rng.normal(size=(3, 5)) * 3)[labels] + rng.normal(size=(400, 5)) * [1, 2, 0.5, 1, 1]
    new, truth = rng.normal(size=(9, 5)), np.eye(3, dtype=bool)[labels]
    means = np.stack([vectors[labels == label].mean(axis=0) for label in range(3)])
    within = np.linalg.inv(LedoitWolf(assume_centered=True).fit(vectors - means[labels]).covariance_)
    across = np.linalg.inv(LedoitWolf().fit(vectors).covariance_)
    middle = vectors.mean(axis=0)
    expected = [
        mahalanobis(each, middle, across) ** 2 - min(mahalanobis(each, mean, within) ** 2 for mean in means)
        for each in new
    ]
    found = Scope.fit(vectors.astype(np.float32), truth).scores(new.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


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
    scope = Scope.fit(known, np.repeat(np.eye(3, dtype=bool), len(places), axis=0)).refusing(fresh, 0.04)
    near, far = scope.scores(encoder.encode(["my debit card is lost", "how do whales sleep"]))
    assert scope.refused(np.array([near, far])).tolist() == [False, True]
