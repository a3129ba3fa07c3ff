"""What holds for every step."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tailrank.arrays import Bools, Floats
from tailrank.errors import RequestError
from tailrank.policy.base import Policy, Scored, apply_all
from tailrank.policy.tail import TailBoost

SCORES = arrays(np.float32, st.integers(1, 12), elements=st.floats(-30, 30, width=32))


@dataclass(frozen=True)
class LastFirst:
    """Puts the last of the list first, and takes the second away."""

    name: ClassVar[str] = "last first"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        second = np.zeros(len(scored.scores), bool)
        second[scored.order[1:2]] = True
        return scored.without("second", second).reordered(self.name, scored.order[-1:])


@given(SCORES, st.data())
def test_a_new_order_keeps_the_scores_and_adds_up(scores: Floats, data: st.DataObject) -> None:
    gone: Bools = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))), bool
    )
    scored = Scored(scores, np.zeros_like(scores)).without("gone", gone)
    left = np.flatnonzero(~gone)
    top = np.array(data.draw(st.permutations(left.tolist())), np.int64)[
        : data.draw(st.integers(0, len(left)))
    ]
    moved = scored.reordered("moved", top)
    assert moved.order[: len(top)].tolist() == top.tolist()
    rest = [at for at in scored.order.tolist() if at not in set(top.tolist())]
    assert moved.order[len(top) :].tolist() == rest
    np.testing.assert_allclose(moved.scores, scores + moved.contributions["moved"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.sort(moved.scores[left]), np.sort(scores[left]), rtol=1e-5, atol=1e-5)
    assert np.array_equal(moved.scores[gone], scores[gone])


def test_lists_of_a_batch_are_taken_one_by_one() -> None:
    lists = np.array([[3, 2, 1], [1, 5, 3]], np.float32)
    steps: list[Policy] = [TailBoost(0.5), LastFirst()]
    both = apply_all(steps, Scored(lists, np.zeros(3, np.float32)))
    for row, scores in enumerate(lists):
        alone = apply_all(steps, Scored(scores, np.zeros(3, np.float32)))
        assert np.array_equal(both.scores[row], alone.scores)
        assert np.array_equal(both.left[row], alone.left)
        assert np.array_equal(both.contributions["last first"][row], alone.contributions["last first"])
    assert both.left.tolist() == [[True, False, True], [True, True, False]]


def test_who_looks_at_a_list_of_which_only_scores_are_known_is_told() -> None:
    with pytest.raises(RequestError, match="policy 'caps' looks at the list, and only its scores are known"):
        Scored(np.zeros(2, np.float32), np.zeros(2, np.float32)).listing_for("caps")
