"""The opinion monitor: topics, surges injected into real streams, real peaks, speed, and kills.

Reuters-21578 (newswires, February to June 1987) and tweets about airlines (nine days of February 2015) are
replayed. Each part keeps what it found as it goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from bench.monitor_kills import kills
from bench.monitor_speed import speed
from bench.monitor_surges import airline_stream, reuters_stream, surges
from bench.monitor_topics import topics
from bench.study import RESULTS, Json, Keep, chosen, report

NAME: Final = "monitor.json"
PARTS: Final[dict[str, Callable[[Path], Json]]] = {
    "topics": topics,
    "surges, airlines": lambda data: surges(airline_stream(data)),
    "surges, newswires": lambda data: surges(reuters_stream(data)),
    "speed": speed,
    "kills": kills,
}
