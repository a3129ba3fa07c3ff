"""What every step that re-orders a list owes, whatever it is after."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from listings import StatedListing, drawn

from tailrank.errors import RequestError
from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.policy.calibration import Calibration
from tailrank.policy.caps import Cap
from tailrank.policy.diversity import Diversity, SimilarityCeiling
from tailrank.policy.exposure import Exposure
from tailrank.policy.fair import Fair
from tailrank.policy.fresh import FreshBoost
from tailrank.policy.registry import described, from_description
from tailrank.policy.xquad import XQuad

REORDERING: list[Policy] = [
    Diversity("mmr"),
    Diversity("msd"),
    Diversity("dpp"),
    SimilarityCeiling(0.3),
    Cap("genres", most=1, window=3),
    XQuad(),
    Calibration("genres"),
    Calibration(),
    Exposure(0.01),
    Fair("genres", "War", 0.6),
]
STEPS = [*REORDERING, FreshBoost("since")]
OFF = [
    Diversity(strength=0),
    XQuad(strength=0),
    Calibration(strength=0),
    Exposure(),
    FreshBoost("since", boost=0),
]

names = pytest.mark.parametrize("step", STEPS, ids=str)


@pytest.mark.parametrize("step", REORDERING, ids=str)
def test_no_candidate_is_lost_or_repeated_and_the_scores_stay(step: Policy) -> None:
    moved = 0
    for seed in range(5):
        scored = drawn(seed)
        found = step.apply(scored)
        assert sorted(found.order.tolist()) == list(range(30))
        np.testing.assert_array_equal(np.sort(found.scores), np.sort(scored.scores))
        moved += not np.array_equal(found.order, scored.order)
        # Below the places that it fills, nothing is reordered.
        below = found.order[10:].tolist()
        assert below == [item for item in scored.order.tolist() if item in below]
    assert moved


@pytest.mark.parametrize("seed", range(5))
def test_contributions_of_all_steps_add_up_to_the_scores(seed: int) -> None:
    scored = drawn(seed)
    found = apply_all(STEPS, scored)
    np.testing.assert_allclose(scored.scores + sum(found.contributions.values()), found.scores, atol=1e-5)
    assert found.contributions.keys() == {step.name for step in STEPS}


@names
def test_what_was_removed_stays_out_and_takes_no_place(step: Policy) -> None:
    scored = drawn(1)
    gone = np.isin(np.arange(30), scored.order[[0, 3, 4, 20]])
    found = step.apply(scored.without("sold out", gone))
    assert not np.isin(gone.nonzero()[0], found.order).any()
    listing = scored.listing
    assert isinstance(listing, StatedListing)
    assert listing.vectors is not None
    left = np.flatnonzero(~gone)
    columns = {name: [values[at] for at in left.tolist()] for name, values in listing.columns.items()}
    alone = replace(listing, tail=listing.tail[left], vectors=listing.vectors[left], columns=columns)
    without = step.apply(Scored(scored.scores[left], scored.rarity[left], listing=alone))
    assert left[without.order].tolist() == found.order.tolist()


@pytest.mark.parametrize("step", OFF, ids=str)
def test_a_step_that_is_off_asks_nothing(step: Policy) -> None:
    scored = replace(drawn(0), listing=None)
    assert step.apply(scored) is scored


@names
def test_lists_of_no_and_of_one_candidate_stay_as_they_are(step: Policy) -> None:
    for n in (0, 1):
        assert step.apply(drawn(0, n)).order.tolist() == list(range(n))


@names
def test_it_needs_a_list(step: Policy) -> None:
    with pytest.raises(RequestError, match=f"policy '{step.name}' looks at the list"):
        step.apply(replace(drawn(0), listing=None))


@names
def test_it_can_be_described(step: Policy) -> None:
    assert from_description(described([step])) == (step,)


def test_settings_that_make_no_sense_are_refused() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "diversity", "strategy": "cover"}, "strategy must be one of mmr, msd, dpp, not 'cover'"),
        ({"name": "diversity", "strength": 1.5}, "strength must be at least 0 and at most 1, not 1.5"),
        ({"name": "similarity-ceiling", "cosine": -0.1}, "cosine must be at least 0"),
        ({"name": "cap"}, "policy 'cap' needs the setting `column`"),
        ({"name": "cap", "column": "brand", "most": 0}, "most must be at least 1"),
        ({"name": "calibration", "column": 3}, "column must be text, not 3"),
        ({"name": "fair", "column": "brand", "protected": [], "share": 0.5}, "protected must be a value of"),
        (
            {"name": "fair", "column": "brand", "protected": "a", "share": 1.0},
            "share must be above 0",
        ),
        ({"name": "xquad", "places": 0}, "places must be at least 1"),
        ({"name": "fresh", "column": "since", "half_life": 0}, "half_life must be above 0"),
    ]
    for step, message in wrong:
        with pytest.raises(RequestError, match=message):
            from_description([step])


def test_steps_go_by_what_the_ones_before_them_left() -> None:
    scored = drawn(3)
    first, second = Cap("genres", most=1, window=3), Diversity()
    both = apply_all([first, second], scored)
    assert both.order.tolist() == second.apply(first.apply(scored)).order.tolist()
    assert both.order.tolist() != apply_all([second, first], scored).order.tolist()
