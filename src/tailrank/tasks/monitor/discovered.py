"""Topics that nobody named: texts that fit none, grouped by meaning; small young groups that grow apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binomtest

from tailrank.arrays import Doubles
from tailrank.tasks.grouping import groups_of
from tailrank.tasks.monitor.classified import UNKNOWN
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.settings import DAY
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.monitor.summaries import Vectors, told_words

APART: Final = 0.65
"""Mean cosine distance between two groups from which on they are about different things:
chosen on newswires with two topics held out (0.45 to 0.75 were tried)."""

MOST: Final = 5_000
"""Latest texts that are grouped: time and memory grow with their square."""

SMALL: Final = 20
"""Texts of a weak signal, at most."""

YOUNG: Final = 0.5
"""Latest part of the days in which all texts of a weak signal were written."""

RECENT: Final = 0.25
"""Latest part of the days in which a group that grows has more of its texts than chance allows."""

CHANCE: Final = 0.01
"""Of so many in a row by chance."""


@dataclass(frozen=True)
class Discovered:
    """Texts that are about the same.

    Attributes
    ----------
    words
        That many of them have and few of the others.
    texts
        The most central first.
    is_weak_signal
        Whether it is small, young, and grows faster than all texts without a topic.
    """

    words: tuple[str, ...]
    texts: tuple[Text, ...]
    is_weak_signal: bool


def texts_without_topic(state: MonitorState, days: float) -> list[Text]:
    """Give the latest texts that fit no topic, near-duplicates left out, the oldest first."""
    latest = max(state.note("latest", []), default=0.0)
    found = state.texts(latest - days * DAY, float("inf"))
    return [text for text in found if not {*text.topics} - {UNKNOWN}][-MOST:]


def discovered_topics(texts: Sequence[Text], vectors: Vectors, fewest: int = 5) -> list[Discovered]:
    """Group texts by meaning, and name each group by its words.

    Parameters
    ----------
    texts
        Without a topic, the oldest first.
    vectors
        Of texts.
    fewest
        Texts that make a topic.

    Returns
    -------
    list[Discovered]
        The largest first, weak signals behind the others.
    """
    if len(texts) < fewest:
        return []
    written = [text.text for text in texts]
    groups = groups_of(vectors(written), APART, fewest)
    times = np.array([text.timestamp for text in texts])
    weak = [_is_weak_signal(times[group], times) for group in groups]
    found = []
    for group, is_weak in sorted(zip(groups, weak, strict=True), key=lambda each: each[1]):
        members = set(group.tolist())
        others = [text for at, text in enumerate(written) if at not in members]
        words = told_words([written[at] for at in group], others)
        found.append(Discovered(tuple(words), tuple(texts[at] for at in group), is_weak))
    return found


def _is_weak_signal(times: Doubles, of_all: Doubles) -> bool:
    """Whether a group is small and young, and more of it is recent than of all texts, beyond chance."""
    first, last = of_all.min(), of_all.max()
    recent = last - RECENT * (last - first)
    if len(times) > SMALL or times.min() < last - YOUNG * (last - first):
        return False
    usual = float((of_all >= recent).mean())
    found = binomtest(int((times >= recent).sum()), len(times), usual, alternative="greater")
    return bool(found.pvalue < CHANCE)
