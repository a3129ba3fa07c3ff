"""Topics that nobody named: texts that fit none, grouped by meaning; small young groups that grow apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binomtest

from tailrank.arrays import Doubles
from tailrank.tasks.grouping import groups_of
from tailrank.tasks.monitor.alert_log import moment
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
    why
        It is a weak signal: small, young, and growing faster than all texts without a topic; empty if it is
        none.
    """

    words: tuple[str, ...]
    texts: tuple[Text, ...]
    why: str = ""

    @property
    def is_weak_signal(self) -> bool:
        """Whether it is one."""
        return bool(self.why)


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
    reasons = [_why_weak(times[group], times) for group in groups]
    found = []
    for group, why in sorted(zip(groups, reasons, strict=True), key=lambda each: bool(each[1])):
        members = set(group.tolist())
        others = [text for at, text in enumerate(written) if at not in members]
        words = told_words([written[at] for at in group], others)
        found.append(Discovered(tuple(words), tuple(texts[at] for at in group), why))
    return found


def _why_weak(times: Doubles, of_all: Doubles) -> str:
    """Say why a group is small and young, and more of it is recent than of all texts, beyond chance."""
    first, last = of_all.min(), of_all.max()
    recent = last - RECENT * (last - first)
    if len(times) > SMALL or times.min() < last - YOUNG * (last - first):
        return ""
    n, usual = int((times >= recent).sum()), float((of_all >= recent).mean())
    chance = binomtest(n, len(times), usual, alternative="greater").pvalue
    if chance >= CHANCE:
        return ""
    return (
        f"{n} of {len(times)} texts since {moment(recent)}, as {usual:.0%} of all without a topic are:"
        f" by chance, {chance:.2%} of such groups have so many"
    )
