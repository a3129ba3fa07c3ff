"""Entries that are missing: questions that went unanswered, those that ask the same together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tailrank.tasks.grouping import groups_of
from tailrank.tasks.task_folder import Encoder

APART: Final = 0.45
"""Mean cosine distance between two groups from which on they ask different things."""

MOST: Final = 5_000
"""Latest questions that are grouped: time and memory grow with their square."""


@dataclass(frozen=True)
class Suggestion:
    """Questions that ask the same, that which is most like the others first."""

    questions: tuple[str, ...]


def suggested_entries(questions: Sequence[str], encoder: Encoder, fewest: int = 3) -> list[Suggestion]:
    """Group questions by meaning.

    Parameters
    ----------
    questions
        Unanswered ones, oldest first; one that was asked more than once counts as often.
    encoder
        Reads them.
    fewest
        Questions that make a suggestion.

    Returns
    -------
    list[Suggestion]
        The largest first.
    """
    latest = [text for text in questions if text.strip()][-MOST:]
    if len(latest) < fewest:
        return []
    groups = groups_of(encoder.encode(latest), APART, fewest)
    return [Suggestion(tuple(dict.fromkeys(latest[at] for at in group))) for group in groups]
