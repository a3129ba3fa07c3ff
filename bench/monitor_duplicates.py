"""Near-duplicates: what planted copies are found, by shared runs of words and by SimHash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from bench.monitor_surges import airline_stream
from bench.study import Json
from tailrank.tasks.monitor.duplicates import Duplicates, Runs, likeness, word_runs

PLANTED: Final = 1_000
SHARES: Final = 0.5, 0.6, 0.7, 0.8
BITS: Final = 3, 8
"""Bits of 64 by which two SimHashes may differ: that of Manku, Jain and Das Sarma (2007), and more."""

EDITS: Final[dict[str, Callable[[list[str]], list[str]]]] = {
    "shared, with a link": lambda words: ["RT", "@me:", *words, "http://t.co/x"],
    "one word changed": lambda words: [*words[:3], "another", *words[4:]],
    "five words before": lambda words: ["So", "true,", "look", "at", "this:", *words],
    "last third cut": lambda words: words[: len(words) * 2 // 3],
}


def duplicates(data: Path) -> Json:
    """Copy tweets of eight words or more with edits; pairs of different tweets tell of false ones."""
    rng = np.random.default_rng(0)
    texts = [text.text for text in airline_stream(data).texts]
    long = sorted({text for text in texts if len(text.split()) >= 8})
    chosen = [long[at] for at in rng.choice(len(long), PLANTED, replace=False)]
    found: Json = {"near-duplicates among the tweets, within a day": _among(data)}
    for name, edit in EDITS.items():
        pairs = [(text, " ".join(edit(text.split()))) for text in chosen]
        found[name] = _shares(pairs)
    found["two tweets at random"] = _shares(list(zip(chosen, [*chosen[1:], chosen[0]], strict=True)))
    return found


def _shares(pairs: list[tuple[str, str]]) -> Json:
    runs = [(word_runs(one), word_runs(other)) for one, other in pairs]
    alike = np.array([likeness(*pair) for pair in runs])
    apart = np.array([(_simhash(one) ^ _simhash(other)).bit_count() for one, other in runs])
    by_runs = {f"runs, {share:.0%}": float((alike >= share).mean()) for share in SHARES}
    return by_runs | {f"SimHash, {bits} bits": float((apart <= bits).mean()) for bits in BITS}


def _simhash(runs: Runs) -> int:
    """Hash by majority of the bits of all runs (Charikar, 2002)."""
    votes = sum((np.array([run >> bit & 1 for bit in range(64)]) * 2 - 1 for run in runs), np.zeros(64))
    return sum(1 << bit for bit in range(64) if votes[bit] > 0)


def _among(data: Path) -> int:
    window = Duplicates(86_400.0)
    return sum(
        window.add(text.id, text.text, text.timestamp) is not None for text in airline_stream(data).texts
    )
