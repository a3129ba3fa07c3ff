"""The promise that few answers are wrong."""

import numpy as np
import pytest
from numpy.random import default_rng

from tailrank.errors import RequestError
from tailrank.tasks.support.guarantee import NEVER, fewest_questions, guarantee


def test_the_promise_is_broken_by_no_more_than_one_draw_in_ten() -> None:
    """Questions are drawn from a world in which the share of wrong answers above a chance is known."""
    rng, wrong, broken, answered = default_rng(0), 0.1, 0, 0
    draws = 400
    for _ in range(draws):
        order = drawn(rng, 1000)
        found = guarantee(*drawn(rng, 1000), order, wrong, 0.9)
        if found.threshold != NEVER:
            answered += 1
            broken += share_wrong_above(found.threshold) > wrong
    assert answered > 0.9 * draws
    # A share of at most 0.1 gives more than 55 of 400 in one case of a hundred.
    assert 0 < broken <= 55


def drawn(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw chances evenly from 0 to 1; an answer is right with probability sqrt(chance)."""
    chances = rng.random(n)
    return chances, rng.random(n) < np.sqrt(chances)


def share_wrong_above(threshold: float) -> float:
    """Integrate 1 - sqrt(x) from the threshold to 1."""
    return float(1 - (1 - threshold**1.5) / 1.5 / (1 - threshold))


def test_more_is_answered_if_less_is_promised() -> None:
    chances, right = drawn(default_rng(1), 2000)
    answered = [guarantee(chances, right, (chances, right), wrong).answered for wrong in (0.05, 0.1, 0.2)]
    assert answered == sorted(answered)
    assert answered[0] < answered[-1]


def test_a_desk_that_is_always_wrong_never_answers() -> None:
    chances, right = default_rng(2).random(300), np.zeros(300, bool)
    found = guarantee(chances, right, (chances, right))
    assert not found.ever_answers
    assert found.answered == 0


def test_the_fewest_questions_are_just_enough() -> None:
    fewest = fewest_questions(0.05, 0.9)
    chances, right = np.linspace(0.5, 1, fewest), np.ones(fewest, bool)
    assert guarantee(chances, right, (chances, right)).answered == fewest
    with pytest.raises(RequestError, match=f"{fewest - 1} questions to test on"):
        guarantee(chances[1:], right[1:], (chances, right))


@pytest.mark.parametrize("n", [0, 100])
def test_questions_that_give_no_order_allow_no_answer(n: int) -> None:
    """A desk may have learned from none, or from some whose best two entries always tie."""
    found = guarantee(np.ones(100), np.ones(100, bool), (np.zeros(n), np.zeros(n, bool)))
    assert not found.ever_answers
