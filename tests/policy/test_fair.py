"""FA*IR: its tables against enumeration, simulation and the published ones; its lists against the tables."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from listings import StatedListing, drawn
from scipy import stats

from tailrank.policy.base import Scored
from tailrank.policy.fair import Fair
from tailrank.policy.fair_table import adjusted_table, failure, least_counts
from tailrank.policy.registry import described, from_description

PUBLISHED = {
    0.1: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    0.2: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1),
    0.3: (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2),
    0.4: (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3),
    0.5: (0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4),
    0.6: (0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5),
    0.7: (0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6),
}
"""Table 2 of Zehlike et al.: alpha .1, not adjusted."""


def scored_of(protected: list[bool]) -> Scored:
    """A list in the order of its scores."""
    n = len(protected)
    sellers = {"seller": ["small" if each else "large" for each in protected]}
    listing = StatedListing([str(at) for at in range(n)], np.zeros(n, bool), None, sellers)
    return Scored(-np.arange(n, dtype=np.float32), np.zeros(n, np.float32), listing=listing)


@pytest.mark.parametrize("share", PUBLISHED)
def test_tables_are_those_of_the_paper(share: float) -> None:
    assert least_counts(12, share, 0.1) == PUBLISHED[share]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_chance_to_fail_is_that_of_all_lists(share: float) -> None:
    table = least_counts(9, share, 0.1)
    failed = 0.0
    for pattern in product([0, 1], repeat=9):
        chance = float(np.prod([share if each else 1 - share for each in pattern]))
        failed += chance * any(count < least for count, least in zip(np.cumsum(pattern), table, strict=True))
    assert failure(table, share) == pytest.approx(failed)


@pytest.mark.parametrize(("places", "share"), [(10, 0.5), (20, 0.25), (50, 0.6)])
def test_fair_lists_are_rejected_as_often_as_alpha_allows(places: int, share: float) -> None:
    drawn_lists = np.random.default_rng(0).random((40_000, places)) < share
    counts = drawn_lists.cumsum(axis=1)
    plain, adjusted = least_counts(places, share, 0.1), adjusted_table(places, share, 0.1)
    assert (counts < plain).any(axis=1).mean() > 0.11
    rejected = (counts < adjusted).any(axis=1).mean()
    assert rejected <= 0.105
    assert rejected == pytest.approx(failure(adjusted, share), abs=0.01)
    # A level that is any higher, so that some count rises, would reject too many.
    levels = np.unique([stats.binom.cdf(m, k, share) for k in range(1, places + 1) for m in range(k)])
    higher = [found for level in levels if (found := least_counts(places, share, level)) != adjusted]
    higher = [table for table in higher if all(a >= b for a, b in zip(table, adjusted, strict=True))]
    assert min(failure(table, share) for table in higher) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_every_first_part_has_its_floor_and_no_more_is_moved_than_that(seed: int) -> None:
    scored = drawn(seed)
    step = Fair("genres", ["War", "Horror"], share=0.7)
    assert isinstance(scored.listing, StatedListing)
    genres: list[Any] = [*scored.listing.columns["genres"]]
    protected = np.array([bool({"War", "Horror"} & set(each or ())) for each in genres])
    shown = step.apply(scored).order[:10]
    counts = protected[shown].cumsum()
    assert (counts >= adjusted_table(10, 0.7, 0.1)).all()
    for group in (protected, ~protected):
        assert (np.diff(scored.scores[shown[group[shown]]]) <= 0).all()
    # Who comes too early by score is protected, and only just has to.
    for rank, item in enumerate(shown.tolist()):
        if scored.scores[item] < scored.scores[shown[rank:]].max():
            assert protected[item]
            assert counts[rank] == adjusted_table(10, 0.7, 0.1)[rank]


def test_a_list_without_enough_of_the_group_is_made_all_the_same() -> None:
    step = Fair("seller", "small", share=0.8, places=6)
    assert adjusted_table(6, 0.8, 0.1)[:3] == (0, 1, 1)
    assert step.apply(scored_of([False] * 8)).order.tolist() == list(range(8))
    assert step.apply(scored_of([False] * 7 + [True])).order.tolist() == [0, 7, 1, 2, 3, 4, 5, 6]
    assert step.apply(scored_of([True] * 4)).order.tolist() == [0, 1, 2, 3]


def test_values_may_be_given_as_a_list() -> None:
    [step] = from_description([{"name": "fair", "column": "seller", "protected": ["a", "b"], "share": 0.5}])
    assert step == Fair("seller", ("a", "b"), 0.5)
    assert from_description(described([step])) == (step,)
