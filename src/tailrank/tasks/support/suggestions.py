"""Entries that are missing: questions that went unanswered, those that ask the same together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.errors import needs
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
    """Group questions by meaning: agglomerative clustering by the mean cosine distance.

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
    with needs("suggestions", "language"):
        from sklearn.cluster import AgglomerativeClustering
    latest = [text for text in questions if text.strip()][-MOST:]
    if len(latest) < max(fewest, 2):
        return []
    vectors = encoder.encode(latest)
    grouping = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=APART)
    groups = grouping.fit_predict(vectors)
    sizes, found = np.bincount(groups), []
    for group in np.argsort(-sizes, kind="stable")[: (sizes >= fewest).sum()]:
        members = np.flatnonzero(groups == group)
        central = np.argsort(-(vectors[members] @ vectors[members].mean(axis=0)), kind="stable")
        found.append(Suggestion(tuple(dict.fromkeys(latest[at] for at in members[central]))))
    return found
