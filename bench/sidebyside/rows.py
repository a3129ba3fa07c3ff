"""The rows of the table: what is measured, and what is aimed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.sidebyside import process, service
from bench.sidebyside.ground import Ground
from bench.sidebyside.lines import Line
from bench.sidebyside.side import Side


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes
    ----------
    measure
        Called in each round with each side; gives metrics.
    lines
        What is told of them.
    cheap
        Whether it takes a minute or so.
    once
        Whether more rounds would only repeat the first.
    """

    measure: Callable[[Ground, Side, int], dict[str, float]]
    lines: tuple[Line, ...]
    cheap: bool = True
    once: bool = False


ROWS: Final = {
    "latency": Row(
        process.latency,
        (
            Line("200 candidates, 50 events, in process, p50, ms", "p50_ms", 0.5),
            Line("the same, as a multiple of the bare product", "p50_ms", 5, over="gemm_ms", judged="new"),
            Line("the same right after an event, p50, ms", "after_event_p50_ms"),
            Line("the same as a multiple of without", "after_event_p50_ms", over="p50_ms", judged="new"),
        ),
    ),
    "scores": Row(
        process.scores,
        (
            Line("largest difference of a score", "largest_difference", judged="new"),
            Line("orders that changed", "changed_orders", judged="new"),
        ),
        once=True,
    ),
    "http": Row(
        service.http,
        (
            Line("100 candidates over HTTP, p50, ms", "100_p50_ms", 0.7),
            Line("300 candidates over HTTP, p50, ms", "300_p50_ms", 0.7),
            Line("100 candidates right after an event, p50, ms", "100_after_event_p50_ms", 0.55),
            Line(
                "the same as a multiple of without",
                "100_after_event_p50_ms",
                1.15,
                over="100_p50_ms",
                judged="new",
            ),
        ),
    ),
    "budget": Row(
        service.budget,
        (Line("2,000 candidates over HTTP, p99, ms", "p99_ms", 5, judged="new"),),
    ),
    "throughput": Row(
        service.throughput,
        (
            Line("rankings a second, 16 connections", "calm_requests_per_s", 1.7, least=True),
            Line("the same, p99, ms", "calm_p99_ms", 0.7),
            Line("the same, refused", "calm_not_200", 0, judged="new"),
            Line("rankings a second after events", "after_event_requests_per_s"),
            Line("the same, p99, ms", "after_event_p99_ms"),
            Line("the same, refused", "after_event_not_200", 0, judged="new"),
        ),
    ),
    "start": Row(
        process.start,
        (
            Line("`import tailrank`, s", "import_s", 0.25, judged="new"),
            Line("`tailrank --help`, s", "help_s", 0.35, judged="new"),
            Line("`tailrank serve` until it ranks, 10,000 items, s", "ready_s", 1, judged="new"),
        ),
    ),
    "state": Row(
        process.state,
        (
            Line("bytes of a user with 50 events, as filled", "bytes_per_user", 0.55),
            Line("the same, compacted", "compacted_bytes_per_user"),
            Line("events filled a second", "events_per_s", 0.9, least=True),
            Line("reading a history, p50, µs", "read_p50_us"),
        ),
    ),
    "puts": Row(
        service.puts,
        (
            Line("put of an item: longest wait of others, ms", "loop_ms", 0.5, judged="new"),
            Line(
                "ranking beside 28 puts a second, over calm",
                "busy_p50_ms",
                1.3,
                over="calm_p50_ms",
                judged="new",
            ),
        ),
        cheap=False,
    ),
    "items": Row(
        process.items,
        (
            Line("ranking among all items, p50, ms", "many_p50_ms"),
            Line(
                "the same as a multiple of 10,000 items", "many_p50_ms", 1.2, over="few_p50_ms", judged="new"
            ),
        ),
        cheap=False,
    ),
    "encode": Row(
        process.encode,
        (
            Line("texts encoded a second", "texts_per_s"),
            Line(
                "the same over sentence-transformers",
                "texts_per_s",
                1.8,
                over="peer_texts_per_s",
                judged="new",
                least=True,
            ),
            Line("least cosine with its vectors", "least_cosine", 0.9995, judged="new", least=True),
        ),
        cheap=False,
    ),
    "fit": Row(
        process.fit,
        (
            Line("training, one sequence epoch, s", "seconds", 0.4),
            Line("the same, peak memory, MB", "peak_mb", 0.7),
        ),
        cheap=False,
    ),
    "train": Row(
        process.train,
        (
            Line("training on made-up items, s", "seconds", 0.5),
            Line("the same, peak memory, MB", "peak_mb", 0.6),
        ),
        cheap=False,
    ),
}
"""By the names that are chosen from."""
