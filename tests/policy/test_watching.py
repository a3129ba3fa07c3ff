"""What each step does to a list, as a dry run tells it."""

from typing import cast

import numpy as np
from test_rules import IDS, listing

from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules
from tailrank.policy.tail import TailBoost
from tailrank.policy.watching import Moved, Watched


def test_watching_changes_nothing_and_tells_what_each_step_did() -> None:
    rules = Rules((Rule("dear", "price > 10", "filter"), Rule("milk", "category = 'milk'", "pin", rank=1)))
    steps = (TailBoost(0.0), TailBoost(1.0), rules)
    scores, rarity = -np.arange(6, dtype=np.float32), np.array([0, 0, 0, 0, 2, 0], np.float32)
    given = Scored(scores, rarity, listing=listing())
    watched = [Watched(step) for step in steps]
    found, expected = apply_all(cast("list[Policy]", watched), given), apply_all(steps, given)
    assert (found.scores == expected.scores).all()
    assert (found.left == expected.left).all()
    [none], [tail], [ruled] = (each.effects for each in watched)
    assert (none.removed, none.moved, none.acting) == ({}, [], [])
    assert tail.moved == [Moved("t2", 5, 1), *(Moved(IDS[at], at + 1, at + 2) for at in range(4))]
    assert ruled.removed == {"w2": "rule dear", "w3": "rule dear"}
    assert ruled.moved == [Moved("m1", 6, 1), Moved("t2", 1, 2), Moved("w1", 2, 3), Moved("t1", 5, 4)]
    assert [(each.rule.id, each.items) for each in ruled.acting] == [
        ("dear", ("w2", "w3")),
        ("milk", ("m1",)),
    ]
