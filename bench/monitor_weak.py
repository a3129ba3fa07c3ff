"""Weak signals: how soon a newswire topic that begins small is listed, and what is listed by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import polars as pl

from bench.monitor_topics import TOPICS, StoredEncoder, texts_of
from bench.study import Json
from tailrank.arrays import Doubles
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.monitor.discovered import Discovered, discovered_topics
from tailrank.tasks.monitor.settings import DAY
from tailrank.tasks.monitor.stream_texts import Text

BEGUN: Final = (
    "sugar",
    "coffee",
    "gold",
    "nat-gas",
    "livestock",
    "cpi",
    "reserves",
    "copper",
    "cocoa",
    "jobs",
    "iron-steel",
    "cotton",
)
"""Topics let begin anew: the most frequent ones behind the first ten that are no part of another one."""

DAYS: Final = 30
"""Of the stream, from 2 March 1987 on, as `tailrank monitor topics` reads them."""

FIRST: Final = 20
"""Day on which the topic begins: with one text a day, then two, then three."""

LOOKS: Final = range(FIRST + 2, DAYS + 1, 2)
"""Days at whose ends weak signals are looked for."""

SHUFFLES: Final = 10

PERIODS: Final = 6
"""Of a look, for the rule of Yoon."""

WEIGHT: Final = 0.05
"""By which each period further back counts less, as there."""

Rule: TypeAlias = Callable[[Sequence[Discovered]], list[Discovered]]


def weak_signals(data: Path) -> Json:
    """Let twelve topics begin small, one at a time, and look every other day; shuffle times, and count."""
    frame, encoder = _unknown(data), StoredEncoder(TextEncoder.load())
    now = discovered_topics(_texts(frame, _seconds(frame)), encoder.encode)
    found: Json = {"texts": len(frame), "groups": len(now)}
    begun = {topic: _begin(topic, frame, encoder) for topic in BEGUN}
    shuffled = _shuffled(frame, encoder)
    for name, rule in RULES.items():
        each = {topic: ways[name] for topic, ways in begun.items()}
        after = [one["after texts"] for one in each.values() if one["after texts"] is not None]
        found[name] = {
            "begun": each,
            "listed": len(after),
            "after texts, median": float(np.median(after)) if after else None,
            "others a look": float(np.mean([one["others a look"] for one in each.values()])),
            "shuffled, a look": shuffled[name],
            "as it was": [_described(one, frame) for one in rule(now)],
        }
    return found


def _ours(groups: Sequence[Discovered]) -> list[Discovered]:
    return [each for each in groups if each.is_weak_signal]


def _yoon(groups: Sequence[Discovered]) -> list[Discovered]:
    """Choose groups that are rarer than half of all and grow faster than half of all.

    The keyword issue map of Yoon (Expert Systems with Applications, 2012), with groups for keywords: shares
    of each period's texts, those further back weighted less, their mean, and the mean rate of their growth.
    """
    times = [[text.timestamp for text in each.texts] for each in groups]
    edges = np.linspace(min(map(min, times)), max(map(max, times)), PERIODS + 1)
    counts = np.array([np.histogram(each, edges)[0] for each in times])
    weights = 1 - WEIGHT * np.arange(PERIODS)[::-1]
    shares = (counts + 0.5) / np.maximum(counts.sum(axis=0), 1) * weights
    rare, growth = shares.mean(axis=1), shares[:, -1] / shares[:, 0]
    chosen = (rare < np.median(rare)) & (growth > np.median(growth))
    return [each for each, is_chosen in zip(groups, chosen, strict=True) if is_chosen]


RULES: Final[dict[str, Rule]] = {"ours": _ours, "Yoon": _yoon}


def _unknown(data: Path) -> pl.DataFrame:
    """Give the newswires of thirty days that have topics, but none of the ten most frequent."""
    every = pl.read_parquet(data / "reuters" / "data.parquet").with_columns(pl.col("ts").str.to_datetime())
    frame = every.filter(pl.col("topics").list.len() > 0)
    counts = Counter(topic for row in frame["topics"].to_list() for topic in row)
    frequent = [name for name, _ in counts.most_common(TOPICS)]
    start = pl.datetime(1987, 3, 2)
    return frame.filter(
        pl.col("topics").list.set_intersection(frequent).list.len() == 0,
        pl.col("ts") >= start,
        pl.col("ts") < start + pl.duration(days=DAYS),
    ).sort("ts")


def _begin(topic: str, frame: pl.DataFrame, encoder: StoredEncoder) -> Json:
    """Leave out a topic but for what begins on a day, and look for it from then on."""
    seconds, start = _seconds(frame), _seconds(frame).min()
    has = np.array([topic in row for row in frame["topics"].to_list()])
    times = [
        start + (FIRST + day + (n + 0.5) / (day + 1)) * DAY
        for day in range(DAYS - FIRST)
        for n in range(day + 1)
    ]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(has))[: len(times)]
    seconds = np.where(has, np.inf, seconds)
    seconds[rows] = times[: len(rows)]
    found: dict[str, Json] = {name: {"after texts": None, "others a look": 0.0} for name in RULES}
    for day in LOOKS:
        until = start + day * DAY
        groups = discovered_topics(_texts(frame, np.where(seconds < until, seconds, np.inf)), encoder.encode)
        for name, rule in RULES.items():
            own = [np.mean([has[int(text.id)] for text in each.texts]) > 0.5 for each in rule(groups)]
            found[name]["others a look"] += own.count(False) / len(LOOKS)
            if any(own) and found[name]["after texts"] is None:
                found[name]["after texts"] = int((seconds[rows] < until).sum())
    return found


def _shuffled(frame: pl.DataFrame, encoder: StoredEncoder) -> Json:
    """Shuffle the times of all texts, so that nothing begins and nothing grows."""
    rng, seconds, listed = np.random.default_rng(0), _seconds(frame), dict.fromkeys(RULES, 0.0)
    for _ in range(SHUFFLES):
        groups = discovered_topics(_texts(frame, rng.permutation(seconds)), encoder.encode)
        for name, rule in RULES.items():
            listed[name] += len(rule(groups)) / SHUFFLES
    return listed


def _described(found: Discovered, frame: pl.DataFrame) -> Json:
    topics = Counter(topic for text in found.texts for topic in frame["topics"][int(text.id)].to_list())
    name, n = topics.most_common(1)[0]
    return {"words": ", ".join(found.words), "texts": len(found.texts), "topic": name, "of it": n}


def _texts(frame: pl.DataFrame, seconds: Doubles) -> list[Text]:
    """Give the texts with a time, by rows, the oldest first."""
    written = texts_of(frame)
    order = np.argsort(seconds, kind="stable")[: int(np.isfinite(seconds).sum())]
    return [Text(str(at), written[at], float(seconds[at])) for at in order.tolist()]


def _seconds(frame: pl.DataFrame) -> Doubles:
    found: Doubles = frame["ts"].dt.epoch("ms").to_numpy() / 1e3
    return found
