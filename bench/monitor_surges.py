"""Surges injected into real streams: which are found, how soon, and what is raised without any."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bench.study import Json
from tailrank.tasks.monitor.alert_log import alert_of, moment
from tailrank.tasks.monitor.detector import LEAST_TEXTS
from tailrank.tasks.monitor.series import ALL, Series, period_of, series_of
from tailrank.tasks.monitor.settings import DAY, HOUR, WEEK, MonitorSettings
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.monitor.summaries import lexical_vectors, summary
from tailrank.tasks.monitor.surges import Raised, Surges, related

Counts = dict[Series, tuple[int, int]]
SIZES: Final = 2, 3, 5
LASTS: Final = 72
"""Hours of an injected surge."""

NEWS_TOPICS: Final = 10
NEWS_END: Final = 545_356_800
"""Of 14 April 1987: later days are mostly missing."""

BUSY: Final = {"below 5 a day": (0, 5), "5 to 50 a day": (5, 50), "50 a day and more": (50, np.inf)}


@dataclass(frozen=True)
class Stream:
    """Texts of a real stream, and how they are watched."""

    name: str
    texts: list[Text]
    settings: MonitorSettings


def airline_stream(data: Path) -> Stream:
    """Read the tweets: negative ones by airline and reason."""
    frame = pl.read_parquet(data / "airline-tweets" / "data.parquet").with_row_index("row").sort("ts")
    seconds = frame["ts"].str.to_datetime().dt.epoch("s")
    columns = frame["airline"], frame["reason"], frame["sentiment"], frame["text"]
    texts = [
        Text(str(row), text, float(at), airline, () if reason is None else (reason,), sentiment)
        for row, at, airline, reason, sentiment, text in zip(frame["row"], seconds, *columns, strict=True)
    ]
    return Stream("airline-tweets", texts, MonitorSettings(burn_in_days=3))


def reuters_stream(data: Path, alarms: float = 1.0) -> Stream:
    """Read the newswires: all of them by their ten most frequent topics, with so many false alarms a week."""
    frame = pl.read_parquet(data / "reuters" / "data.parquet").sort("ts")
    seconds = frame["ts"].str.to_datetime().dt.epoch("s")
    counts = frame["topics"].explode().drop_nulls().value_counts(sort=True)
    known = set(counts["topics"].head(NEWS_TOPICS).to_list())
    texts = [
        Text(name, f"{title}. {body}", float(at), topics=tuple(sorted(known & set(topics))))
        for name, at, topics, title, body in zip(
            frame["id"], seconds, frame["topics"].to_list(), frame["title"], frame["body"], strict=True
        )
        if at < NEWS_END
    ]
    return Stream("reuters", texts, MonitorSettings(watch="volume", false_alarms_per_week=alarms))


def surges(stream: Stream, injections: int) -> Json:
    """Replay a stream as it is, then with so many surges of each size, one at a time."""
    counts = dict(_counts(stream))
    whole, raised, snapshots = Surges(stream.settings), list[Raised](), dict[int, Surges]()
    for start, period in counts.items():
        if start % DAY == 0 or not snapshots:
            snapshots[start] = copy.deepcopy(whole)
        raised += whole.close(start, period)
    begin = min(counts) + stream.settings.burn_in_days * DAY
    weeks = (max(counts) + HOUR - begin) / WEEK
    return {
        "settings": stream.settings.as_dict(),
        "texts": len(stream.texts),
        "series": len(whole.series),
        "weeks": weeks,
        "alerts a week, all of them": len(raised) / weeks,
        "injected": _injected(injections, counts, snapshots, raised, begin),
        "peaks": [_peak(stream, each) for each in raised],
    }


def _counts(stream: Stream) -> Iterator[tuple[int, Counts]]:
    """Count texts by hour, hours without texts too."""
    found: defaultdict[int, Counts] = defaultdict(dict)
    for text in stream.texts:
        period = found[period_of(text.timestamp, HOUR)]
        for series in series_of(text):
            n, negative = period.get(series, (0, 0))
            period[series] = n + 1, negative + text.is_negative
    for start in range(min(found), max(found) + HOUR, HOUR):
        yield start, found.get(start, {})


def _injected(
    injections: int,
    counts: Mapping[int, Counts],
    snapshots: Mapping[int, Surges],
    raised: list[Raised],
    begin: float,
) -> list[Json]:
    """Multiply the texts of a topic for three days, at random times at which nothing surges."""
    rng, rows = np.random.default_rng(0), list[tuple[int, int, float | None]]()
    names = sorted({one for period in counts.values() for one in period if one.topic and not one.entity})
    days = [day for day in snapshots if begin <= day < max(counts) - 4 * DAY]
    for size in SIZES:
        for _ in range(injections):
            series, start = (
                names[rng.integers(len(names))],
                int(rng.choice(days)) + int(rng.integers(24)) * HOUR,
            )
            hours = range(start, start + LASTS * HOUR, HOUR)
            texts = sum(counts.get(hour, {}).get(series, (0, 0))[0] for hour in hours)
            own = [
                each
                for each in raised
                if related(each.series, series) and -DAY < each.surge.until - start < 4 * DAY
            ]
            if texts < LEAST_TEXTS or own:
                continue
            delay = _delay(counts, snapshots, series, start, size)
            rows.append((size, texts // 3, delay))
    return [
        {"size": size, "texts": name, **_found(rows, size, *bounds)}
        for size in SIZES
        for name, bounds in BUSY.items()
    ]


def _delay(
    counts: Mapping[int, Counts], snapshots: Mapping[int, Surges], series: Series, start: int, size: int
) -> float | None:
    """Give the hours until the hour that raises a surge is over; None if none does."""
    day = start - start % DAY
    watched = copy.deepcopy(snapshots[day])
    for hour in range(day, start + LASTS * HOUR, HOUR):
        period = dict(counts.get(hour, {}))
        if hour >= start and series in period:
            extra = tuple((size - 1) * n for n in period[series])
            for one in (series, ALL):
                n, negative = period[one]
                period[one] = n + extra[0], negative + extra[1]
        found = watched.close(hour, period)
        if hour >= start and any(series in (each.series, *each.also) for each in found):
            return (hour + HOUR - start) / HOUR
    return None


def _found(rows: list[tuple[int, int, float | None]], size: int, low: float, high: float) -> Json:
    delays = [delay for times, texts, delay in rows if times == size and low <= texts < high]
    found = [delay for delay in delays if delay is not None]
    median = float(np.median(found)) if found else None
    return {"injected": len(delays), "found": len(found), "hours, median": median}


def _peak(stream: Stream, raised: Raised) -> Json:
    """Describe what is raised on the stream as it is."""
    since, until = raised.surge.since, raised.surge.until
    texts = [
        text.text
        for text in stream.texts
        if since <= text.timestamp < until
        and raised.series in series_of(text)
        and (raised.surge.kind == "volume" or text.is_negative)
    ]
    alert = alert_of(raised, [], summary(texts[-200:], lexical_vectors, 2), [])
    return {"at": moment(until), "why": alert.why, "summary": [each[:200] for each in alert.summary]}
