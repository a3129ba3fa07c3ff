"""How well a desk answers questions whose right entry is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from tailrank.errors import RequestError
from tailrank.metrics.ranking import target_ranks
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import AskedQuestion


class Evaluation(Struct, frozen=True):
    """What a desk makes of asked questions.

    Attributes
    ----------
    questions, unanswerable
        How many, and of how many of these no entry is right.
    mrr, right_first
        Of the questions that have a right entry: the mean of 1 / its rank, and the share of which it is the
        best one.
    answered, wrong, asked, asked_rightly, handed_over
        How many were answered, and of these wrongly; how often it was asked which of two is meant, and how
        often one of these was right; how many were handed over.
    """

    questions: int
    unanswerable: int
    mrr: float
    right_first: float
    answered: int
    wrong: int
    asked: int
    asked_rightly: int
    handed_over: int


def evaluate(desk: SupportDesk, asked: Sequence[AskedQuestion]) -> Evaluation:
    """Ask a desk questions, each by itself.

    Raises
    ------
    RequestError
        If there are none that an entry answers.
    """
    positions = {entry.intent: at for at, entry in enumerate(desk.entries)}
    right = np.array([positions.get(each.intent, -1) for each in asked], np.int32)
    if not (right >= 0).any():
        raise RequestError("none of the questions has an intent of the desk: give some that have")
    chances, rows = desk.chances_of([each.question for each in asked]), np.flatnonzero(right >= 0)
    ranks = target_ranks(chances[rows].astype(np.float32), right[rows])
    counts = Counter[str]()
    for each, found in zip(asked, chances, strict=True):
        decision, ranked = desk.decision(found)
        named = {"answer": ranked[:1], "ask": ranked[:2], "hand over": ()}[decision]
        counts[decision] += 1
        counts[f"{decision}, right"] += each.intent in {match.entry.intent for match in named}
    return Evaluation(
        questions=len(right),
        unanswerable=int((right < 0).sum()),
        mrr=float((1 / ranks).mean()),
        right_first=float((ranks == 1).mean()),
        answered=counts["answer"],
        wrong=counts["answer"] - counts["answer, right"],
        asked=counts["ask"],
        asked_rightly=counts["ask, right"],
        handed_over=counts["hand over"],
    )
