"""The boost of new items, by how old they are when the list is made."""

from dataclasses import replace

import numpy as np
import pytest
from listings import StatedListing, drawn

from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.fresh import FreshBoost

DAY = 86_400


def since(days: list[object]) -> Scored:
    """A list of items that there are since so many days."""
    scored = drawn(0, len(days))
    assert isinstance(scored.listing, StatedListing)
    now = scored.listing.now
    times = [now - each * DAY if isinstance(each, int | float) else each for each in days]
    return replace(scored, listing=replace(scored.listing, columns={"since": times}))


def test_it_halves_with_each_half_life() -> None:
    scored = since([0, 10, 20, 40, -3, None, "soon"])
    found = FreshBoost("since", boost=2, half_life=10).apply(scored)
    np.testing.assert_allclose(found.contributions["fresh"], [2, 1, 0.5, 0.125, 2, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found.scores, scored.scores + found.contributions["fresh"])


def test_what_is_very_old_gets_nothing() -> None:
    found = FreshBoost("since", half_life=1e-3).apply(since([20 * 365]))
    assert found.contributions["fresh"].tolist() == [0]


def test_a_column_of_years_is_refused_by_its_name() -> None:
    scored = drawn(0, 1)
    assert isinstance(scored.listing, StatedListing)
    years = replace(scored, listing=replace(scored.listing, columns={"year": [1995]}))
    with pytest.raises(RequestError, match=r"policy 'fresh': column `year` holds years, such as 1995"):
        FreshBoost("year").apply(years)
