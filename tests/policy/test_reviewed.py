"""The step that takes what is held or rejected."""

from dataclasses import replace
from typing import Any

import numpy as np
from listings import StatedListing

from tailrank.policy.base import Scored
from tailrank.policy.reviewed import Reviewed


class Asked(StatedListing):
    """A listing of a request that says its market."""

    market: object = None

    @property
    def context(self) -> dict[str, Any]:
        return {} if self.market is None else {"market": self.market}


def left(step: Reviewed, market: object = None) -> tuple[list[str], dict[str, list[bool]]]:
    listing = Asked(["tea", "pills", "mug"], np.zeros(3, bool), None)
    object.__setattr__(listing, "market", market)
    scored = Scored(np.array([1, 2, 3], np.float32), np.zeros(3, np.float32), listing=listing)
    found = step.apply(scored)
    assert found.scores is scored.scores
    return [listing.ids[at] for at in found.order], {
        why: each.tolist() for why, each in found.removed.items()
    }


def test_what_is_blocked_leaves_with_its_reason() -> None:
    step = Reviewed({"pills": {"": "rejected: no proof"}, "gone": {"": "rejected: stolen"}})
    assert left(step) == (["mug", "tea"], {"rejected: no proof": [False, True, False]})
    assert left(Reviewed({"gone": {"": "rejected: stolen"}})) == (["mug", "pills", "tea"], {})


def test_it_counts_where_the_market_says() -> None:
    step = Reviewed({"pills": {"": "", "de": "held"}})
    assert left(step)[0] == left(step, "fr")[0] == left(step, 7)[0] == ["mug", "pills", "tea"]
    assert left(step, "de")[0] == ["mug", "tea"]
    others = replace(step, blocked={"pills": {"": "held", "de": ""}})
    assert left(others)[0] == left(others, "fr")[0] == ["mug", "tea"]
    assert left(others, "de")[0] == ["mug", "pills", "tea"]
