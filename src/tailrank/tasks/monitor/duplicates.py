"""Near-duplicates: texts that share most of their runs of words with one that came shortly before."""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

LIKENESS: Final = 0.6
"""Share of runs of words, of all that either text has, from which on one is a near-duplicate."""

RUN: Final = 2
"""Words of a run."""

LEAST_WORDS: Final = 4
"""Shorter texts are equal by chance, so they are all counted."""

_NOISE: Final = re.compile(r"https?://\S+|@\w+|\brt\b")
_WORD: Final = re.compile(r"\w+")

Runs = frozenset[int]


def word_runs(text: str) -> Runs:
    """Hash the runs of two words of a text, without links, mentions and the mark of a shared post.

    The hashes of long runs are the smallest: these are rare, so that few texts share the first of them.

    Examples
    --------
    >>> word_runs("RT @me: Flight 12 is late again") == word_runs("flight 12 is late again http://t.co/x")
    True
    >>> word_runs("Thank you!")
    frozenset()
    """
    words = _WORD.findall(_NOISE.sub(" ", text.casefold()))
    if len(words) < LEAST_WORDS:
        return frozenset()
    return frozenset(_hash(" ".join(words[at : at + RUN])) for at in range(len(words) - RUN + 1))


def likeness(one: Runs, other: Runs) -> float:
    """Give the share of runs that two texts have in common (Jaccard, 1912)."""
    return len(one & other) / (len(one | other) or 1)


@dataclass
class Duplicates:
    """Finds near-duplicates within a window of time, exactly.

    Two sets of which `LIKENESS` is common share one of their first runs, in any fixed order, if enough first
    ones are taken; only these are looked up (prefix filtering: Chaudhuri, Ganti and Kaushik, 2006).

    Attributes
    ----------
    window
        Seconds.
    """

    window: float
    _runs: dict[str, tuple[float, Runs]] = field(default_factory=dict)
    _by_run: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _by_time: list[tuple[float, str]] = field(default_factory=list)

    def add(self, text_id: str, text: str, at: float) -> str | None:
        """Add a text, and name the one that it nearly repeats; None if it is new.

        Parameters
        ----------
        text_id, text
            Of the text.
        at
            When it was written, in seconds since 1970.
        """
        runs = word_runs(text)
        if not runs or not self.window:
            return None
        first = _first_runs(runs)
        near = {other for run in first for other in self._by_run.get(run, ())}
        found = max(((self._match(other, runs, at), other) for other in near), default=(0.0, ""))
        if found[0] >= LIKENESS:
            return found[1]
        self._runs[text_id] = at, runs
        heapq.heappush(self._by_time, (at, text_id))
        for run in first:
            self._by_run[run].add(text_id)
        return None

    def forget(self, before: float) -> None:
        """Forget texts that are older than a time, in seconds since 1970."""
        while self._by_time and self._by_time[0][0] < before:
            _, text_id = heapq.heappop(self._by_time)
            for run in _first_runs(self._runs.pop(text_id)[1]):
                self._by_run[run].discard(text_id)
                if not self._by_run[run]:
                    del self._by_run[run]

    def _match(self, other: str, runs: Runs, at: float) -> float:
        when, its = self._runs[other]
        return likeness(runs, its) if abs(at - when) <= self.window else 0.0


def _hash(run: str) -> int:
    digest = hashlib.blake2b(run.encode(), digest_size=8).digest()
    return (255 - min(len(run), 255)) << 64 | int.from_bytes(digest, "big")


def _first_runs(runs: Runs) -> list[int]:
    return sorted(runs)[: len(runs) - math.ceil(LIKENESS * len(runs)) + 1]
