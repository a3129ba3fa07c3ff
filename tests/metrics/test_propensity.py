"""Weights that correct for what popularity lets be observed."""

import numpy as np
import pytest

from tailrank.metrics.propensity import PopularityPropensity


def test_an_event_weighs_as_its_item_is_rarely_observed_up_to_the_clip() -> None:
    propensity = PopularityPropensity.from_counts(np.array([100, 25, 4, 0]), power=0.5, clip=4.0)
    np.testing.assert_allclose(propensity.chances, [1, 0.5, 0.2, 0.1])
    weights = propensity.weights(np.arange(4, dtype=np.int32))
    np.testing.assert_allclose(weights / weights[0], [1, 2, 4, 4])
    assert weights.mean() == pytest.approx(1)


def test_without_a_power_all_events_weigh_one() -> None:
    propensity = PopularityPropensity.from_counts(np.array([7, 0, 3]), power=0.0)
    assert propensity.weights(np.array([0, 1, 2, 2], dtype=np.int32)).tolist() == [1, 1, 1, 1]
