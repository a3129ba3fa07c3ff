"""Caps hold in every window as far as the candidates allow."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listings import StatedListing, drawn

from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.caps import Cap
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.listing import CandidateListing


def listed(brands: list[str | list[str] | None]) -> Scored:
    """A list in the order given."""
    n = len(brands)
    listing = StatedListing([""] * n, np.ones(n, bool), None, {"brand": brands})
    return Scored(np.arange(n, 0, -1, dtype=np.float32), np.ones(n, np.float32), listing=listing)


def windows_over(step: Cap, brands: list[list[str]]) -> list[int]:
    """Ranks at which some window ends that has too much of something."""
    found = []
    for rank in range(min(step.places, len(brands))):
        window = brands[max(rank + 1 - step.window, 0) : rank + 1]
        counts = Counter(brand for item in window for brand in item)
        found += [rank] if any(counts[brand] > step.most for brand in brands[rank]) else []
    return found


@given(
    st.lists(st.lists(st.sampled_from("ABCD"), max_size=2, unique=True), max_size=16),
    st.integers(1, 3),
    st.integers(2, 6),
    st.integers(1, 12),
)
def test_a_window_has_too_much_only_if_nothing_else_fits(
    brands: list[list[str]], most: int, window: int, places: int
) -> None:
    step = Cap("brand", most, window, places)
    order = step.apply(listed([*brands])).order.tolist()
    ranked = [brands[item] for item in order]
    for rank in range(min(places, len(order))):
        # The first of the candidates that are left that makes no window too full, else the first of all.
        left = sorted(order[rank:])
        fitting = [item for item in left if rank not in windows_over(step, [*ranked[:rank], brands[item]])]
        assert order[rank] == (fitting or left)[0]
    assert order[places:] == sorted(order[places:])
    assert set(step.apply(listed([*brands])).contributions) <= {"cap"}


@pytest.mark.parametrize("seed", range(5))
def test_of_many_sellers_each_keeps_to_its_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    brands: list[str | list[str] | None] = rng.choice([*"AAAAABBCDEFG"], 60).tolist()
    step = Cap("brand", most=1, window=4)
    order = step.apply(listed(brands)).order[:10]
    assert not windows_over(step, [[str(brands[item])] for item in order])


def test_what_has_no_brand_always_fits_and_equal_scores_stay_in_order() -> None:
    scored = listed(["A", "A", None, "A", "", "B"])
    scored = replace(scored, scores=np.zeros(6, np.float32))
    assert Cap("brand", 1, 3).apply(scored).order.tolist() == [0, 2, 4, 1, 5, 3]


def test_a_list_that_fits_stays_as_it_is() -> None:
    scored = drawn(0)
    assert np.array_equal(Cap("genres", most=5).apply(scored).scores, scored.scores)


def test_a_setting_out_of_its_bounds_is_refused_and_so_is_a_list_of_scores_alone() -> None:
    with pytest.raises(RequestError, match="most"):
        Cap("brand", most=0)
    scores = np.ones(2, np.float32)
    with pytest.raises(RequestError, match="policy 'cap' looks at the list"):
        Cap("brand").apply(Scored(scores, scores))


def test_a_column_that_items_lack_is_refused_before_any_list() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "brand": ["Acme", "Best"]})
    catalogue = Catalogue.from_items(items, np.zeros(2, np.int64), (), "timestamp")
    listing = CandidateListing(
        ["a", "b"], np.arange(2, dtype=np.int32), History([], [], []), 0.0, catalogue, ()
    )
    Cap("brand").check(listing)
    with pytest.raises(RequestError, match="no column `brnd`: did you mean `brand`"):
        Cap("brnd").check(listing)
