"""Measured costs that a plan is made from, and where each is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.counting import peak, seconds
from bench.plan_load import KINDS
from bench.study import Json


@dataclass(frozen=True)
class Constant:
    """A measured cost.

    Attributes
    ----------
    label, unit
        As the page says them.
    file
        Of `bench/results`, without its ending.
    read
        Takes it out of the file.
    """

    label: str
    unit: str
    file: str
    read: Callable[[Json], float]


def _ranking(kind: str) -> Callable[[Json], float]:
    return lambda s: float(s["costs"]["single"][kind]["server_us"])


def _largest(counted: Json, bounded: bool) -> Json:
    """Give the largest run of `bench counting`, in bounded memory or all at once."""
    runs = [point for point in counted["points"] if (point["memory"] is not None) == bounded]
    return max(runs, key=lambda point: (point["events"], point["memory"] or 0))


def _whole_bytes(counted: Json) -> float:
    largest = _largest(counted, bounded=False)
    return float(2**20 * peak(largest) / largest["events"])


def _bounded_us(counted: Json) -> float:
    largest = _largest(counted, bounded=True)
    return 1e6 * seconds(largest) / float(largest["events"])


CONSTANTS: Final = {
    "parquet": Constant(
        "an event as Parquet", "bytes", "plan", lambda s: s["sizes"]["bytes"] / s["sizes"]["events"]
    ),
    "reading": Constant(
        "an event while it is read, at the peak",
        "bytes of memory",
        "plan",
        lambda s: s["sizes"]["peak_bytes"] / s["sizes"]["events"],
    ),
    "counting": Constant(
        "an event while pairs are counted all at once, at the peak",
        "bytes of memory",
        "counting",
        _whole_bytes,
    ),
    "bounded_us": Constant(
        "an event while pairs are counted in bounded memory",
        "µs of a core",
        "counting",
        _bounded_us,
    ),
    "training_us": Constant(
        "an event in `train`, with a tenth as many items, item vectors ready",
        "µs",
        "sizes",
        lambda s: 1e6 * s["points"][-1]["train_seconds"] / s["points"][-1]["events"],
    ),
    "training_item": Constant(
        "an item in `train`, with its ten events, at the peak",
        "bytes of memory",
        "sizes",
        lambda s: 2**20 * s["points"][-1]["train_mb"] / s["points"][-1]["items"],
    ),
    "model": Constant(
        "an item in the model's folder",
        "bytes",
        "sizes",
        lambda s: 2**20 * s["points"][-1]["model_mb"] / s["points"][-1]["items"],
    ),
    "texts": Constant(
        "texts encoded, 100 at a time, torch",
        "a core-second",
        "encoding",
        lambda s: float(s["speed"]["torch"]["texts/s at 100"]),
    ),
    "state": Constant(
        "a user with 50 events in a state folder",
        "bytes",
        "growth",
        lambda s: (
            1e6 * s["axes"]["users"]["costs"]["state on disk, MB"][-1] / s["axes"]["users"]["sizes"][-1]
        ),
    ),
    "valkey": Constant(
        "the same in Valkey", "bytes of memory", "plan", lambda s: float(s["sizes"]["user_bytes"])
    ),
    "valkey_read_us": Constant(
        "reading these from Valkey", "µs of its core", "plan", lambda s: float(s["sizes"]["read_us"])
    ),
    "valkey_event_us": Constant(
        "storing an event in Valkey, many at a time",
        "µs of its core",
        "plan",
        lambda s: float(s["sizes"]["event_us"]),
    ),
    "as_before_us": Constant(
        "a ranking of 100 candidates for a history of 50 events, the same as the last time",
        "µs of a core",
        "plan",
        _ranking(KINDS[0]),
    ),
    "after_us": Constant("the same, after an event", "µs of a core", "plan", _ranking(KINDS[1])),
    "anew_us": Constant(
        "the same, if the worker doesn't remember the user", "µs of a core", "plan", _ranking(KINDS[2])
    ),
    "remote_us": Constant(
        "more if the state is in Valkey", "µs of a core", "plan", lambda s: float(s["costs"]["valkey_us"])
    ),
    "event_us": Constant(
        "an event that is sent alone",
        "µs of a core",
        "serving-ingest",
        lambda s: 1e6 / s["singles"]["events_per_s"],
    ),
    "wire": Constant(
        "a ranking on the wire, request and answer",
        "bytes",
        "plan",
        lambda s: float(
            sum(s["costs"]["single"][KINDS[0]][part] for part in ("request_bytes", "answer_bytes"))
        ),
    ),
    "log": Constant(
        "a ranking in the log of impressions",
        "bytes",
        "impressions",
        lambda s: float(s["log"]["bytes_a_ranking"]),
    ),
    "lists": Constant(
        "users whose 100 candidates are ranked by `rank_many`",
        "a core-second",
        "plan",
        lambda s: float(s["sizes"]["users_per_core_s"]),
    ),
}
