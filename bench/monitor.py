"""The opinion monitor: topics, surges injected into real streams, real peaks, speed, and kills.

Reuters-21578 (newswires, February to June 1987) and tweets about airlines (nine days of February 2015) are
replayed. With --keep, each part is kept as soon as it is done, beside the parts of before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.monitor_discovered import discovered
from bench.monitor_duplicates import duplicates
from bench.monitor_kills import kills
from bench.monitor_speed import speed
from bench.monitor_surges import airline_stream, reuters_stream, surges
from bench.monitor_topics import topics
from bench.monitor_weak import weak_signals
from bench.study import RESULTS, Data, Json, Keep, chosen, report

INJECTIONS: Final = 30
"""Surges of each size."""

FILE: Final = "monitor.json"
PARTS: Final[dict[str, Callable[[Path], Json]]] = {
    "topics": topics,
    "discovered topics": discovered,
    "weak signals": weak_signals,
    "airline-tweets": lambda data: surges(airline_stream(data), 0),
    "reuters": lambda data: surges(reuters_stream(data), INJECTIONS),
    "reuters, a tenth of the false alarms": lambda data: surges(reuters_stream(data, 0.1), INJECTIONS),
    "near-duplicates": duplicates,
    "speed": speed,
    "kills": kills,
}


def main(
    data: Data,
    part: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    keep: Keep = False,
) -> None:
    """Measure, part by part, and print one JSON object for each."""
    file = RESULTS / FILE
    for name in chosen(part, PARTS):
        new = {name: PARTS[name](data)}
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        report(FILE, {each: kept[each] for each in PARTS if each in kept} | new, keep)
