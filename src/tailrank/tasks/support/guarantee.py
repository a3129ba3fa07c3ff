"""From which chance on a desk answers, so that few of its answers are wrong."""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from tailrank.arrays import Bools, Doubles
from tailrank.errors import RequestError

STEPS: Final = 25
"""Thresholds that are tested at most."""

Share = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=0)]


class Guarantee(Struct, frozen=True, forbid_unknown_fields=True):
    """What is promised of answers, and what it was tested on.

    With the given confidence over the questions that it was tested on, at most the share `wrong` of the
    answers to more questions of that sort is wrong.

    Attributes
    ----------
    wrong, confidence
        What is promised.
    threshold
        The chance from which on the best entry is the answer unless another ties; above 1 if none ever is.
    questions, answered, mistakes
        How many it was tested on, and of these how many have an answer, and a wrong one.
    """

    wrong: Share
    confidence: Share
    threshold: Annotated[float, Meta(ge=0, le=2)]
    questions: Count
    answered: Count
    mistakes: Count

    @property
    def ever_answers(self) -> bool:
        """Whether any threshold kept the promise."""
        return self.threshold <= 1


NEVER: Final = 2.0
"""A threshold that no chance reaches."""


def fewest_questions(wrong: float, confidence: float) -> int:
    """Count the answers without any mistake that it takes to keep a promise.

    Examples
    --------
    >>> fewest_questions(0.05, 0.9), fewest_questions(0.01, 0.9)
    (45, 230)
    """
    return math.ceil(math.log(1 - confidence) / math.log(1 - wrong))


def guarantee(
    chances: Doubles,
    right: Bools,
    order: tuple[Doubles, Bools],
    wrong: float = 0.05,
    confidence: float = 0.9,
) -> Guarantee:
    """Choose the lowest threshold at which few answers are wrong, by Learn-then-Test.

    Thresholds are tested one after another until one fails (split fixed sequence testing of Angelopoulos,
    Bates, Candès, Jordan and Lei, "Learn then test", 2021). Each test is the binomial one on the questions
    that have an answer at that threshold, as in Geifman and El-Yaniv ("Selective classification for deep
    neural networks", 2017). The thresholds and their order come from other questions. So the promise holds
    for any desk and any number of questions, if those that are tested and those to come are drawn alike and
    the tested ones took no part in making the desk.

    Parameters
    ----------
    chances, right
        How sure the best entry of each question to test on is, and whether it is right; shape (questions,).
    order
        The same of other questions.
    wrong, confidence
        What to promise.

    Raises
    ------
    RequestError
        If the questions are too few, even if all were answered rightly.

    Examples
    --------
    >>> chances = np.linspace(0, 1, 200)
    >>> found = guarantee(chances, chances > 0.3, (chances, chances > 0.3))
    >>> found.answered, found.mistakes, round(found.threshold, 2)
    (143, 3, 0.28)
    """
    from scipy.stats import binom

    fewest = fewest_questions(wrong, confidence)
    if len(chances) < fewest:
        raise RequestError(
            f"{len(chances):,} questions to test on: to promise that at most {wrong:.1%} of the answers are "
            f"wrong, with confidence {confidence:.0%}, takes at least {fewest:,}. Give more questions with "
            "their intents, or promise less"
        )
    best = NEVER
    for threshold in _in_order(*order, len(chances), wrong):
        given = chances >= threshold
        if binom.cdf((given & ~right).sum(), given.sum(), wrong) > 1 - confidence:
            break
        best = threshold
    given = chances >= best
    return Guarantee(wrong, confidence, best, len(chances), int(given.sum()), int((given & ~right).sum()))


def _in_order(chances: Doubles, right: Bools, n_tested: int, wrong: float) -> list[float]:
    """List thresholds: first that which should pass most surely, were there `n_tested` questions.

    The others are those below it, the highest first. There are none if no question has a best entry.
    """
    from scipy.stats import binom

    sure = chances[chances > 0]
    if not len(sure):
        return []
    scale = n_tested / len(chances)
    thresholds = np.unique(np.quantile(sure, np.linspace(0, 1, STEPS, endpoint=False)))
    answered = np.array([(chances >= each).sum() for each in thresholds])
    mistakes = np.array([((chances >= each) & ~right).sum() for each in thresholds])
    # One mistake more than were seen: so few questions prove little.
    surprise = binom.cdf(np.round((mistakes + 1) * scale), np.round(answered * scale), wrong)
    found: list[float] = thresholds[: int(np.argmin(surprise)) + 1][::-1].tolist()
    return found
