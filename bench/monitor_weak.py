"""Weak signals: how soon a newswire topic that begins small is listed, and what is listed by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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
"""Topics behind the ten most frequent that are let begin anew: those with 60 texts or more that aren't part
of another one."""

DAYS: Final = 30
"""Of the stream, from 2 March 1987 on, as `tailrank monitor topics` reads them."""

FIRST: Final = 20
"""Day on which the topic begins: with one text a day, then two, then three."""

SHUFFLES: Final = 20


def weak_signals(data: Path) -> Json:
    """Let twelve topics begin small, one at a time, and look for each every day; shuffle times, and count."""
    frame, encoder = _unknown(data), StoredEncoder(TextEncoder.load())
    begun = {topic: _begin(topic, frame, encoder) for topic in BEGUN}
    found = [each for each in begun.values() if each["listed after texts"] is not None]
    as_it_was = _texts(frame, _seconds(frame))
    listed = discovered_topics(as_it_was, encoder.encode)
    return {
        "texts": len(frame),
        "begun": begun,
        "listed": len(found),
        "texts until listed, median": float(np.median([each["listed after texts"] for each in found])),
        "others listed a look": float(np.mean([each["others listed a look"] for each in begun.values()])),
        "as it was": [_described(each, frame) for each in listed if each.is_weak_signal],
        "groups as it was": len(listed),
        "shuffled, listed a look": _shuffled(frame, encoder),
    }


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
    """Leave out a topic but for what begins on a day, and look every day from then on."""
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
    others, after = [], None
    for day in range(FIRST + 1, DAYS + 1):
        until = start + day * DAY
        listed = _weak(_texts(frame, np.where(seconds < until, seconds, np.inf)), encoder)
        own = [each for each in listed if 2 * sum(has[int(text.id)] for text in each.texts) > len(each.texts)]
        others.append(len(listed) - len(own))
        if own and after is None:
            after = int((seconds[rows] < until).sum())
    return {"texts": len(rows), "listed after texts": after, "others listed a look": float(np.mean(others))}


def _shuffled(frame: pl.DataFrame, encoder: StoredEncoder) -> Json:
    """Shuffle the times of all texts, so that nothing begins and nothing grows."""
    rng, seconds = np.random.default_rng(0), _seconds(frame)
    listed = [len(_weak(_texts(frame, rng.permutation(seconds)), encoder)) for _ in range(SHUFFLES)]
    return {"mean": float(np.mean(listed)), "most": max(listed), "looks": SHUFFLES}


def _weak(texts: Sequence[Text], encoder: StoredEncoder) -> list[Discovered]:
    return [each for each in discovered_topics(texts, encoder.encode) if each.is_weak_signal]


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
