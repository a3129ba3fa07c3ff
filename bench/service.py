"""Measure the server with `tailrank bench`, keep what it prints, and tell it on the page."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.run import RESULTS, keep
from bench.stored import Json, single
from bench.studies import joined
from bench.tables import cost, table

MEASURED: Final = ("http", "throughput", "ingest", "state")
METARANK: Final = "https://github.com/metarank/metarank/blob/e7a1857e90c7132c4ddbd740b8b60efb58d0fe0a"
PROTOCOL: Final = f"{METARANK}/src/test/scala/ai/metarank/util/benchmark/LatencyBenchmark.scala"

ALL_SIGNALS: Final = """\
The model has every signal, the sequence model among them. Server and clients have a core each, on one
machine."""

RECALLED: Final = """\
The model recalls what it made of a past that it saw lately; *after an event*, each request brings one that
isn't stored, so that nothing can be recalled."""

PARTS: Final = {
    "p50_ms": "median, ms",
    "p99_ms": "99th percentile, ms",
    "model_ms": "model",
    "state_ms": "state",
    "codec_ms": "JSON",
    "framework_ms": "HTTP and client",
}
RATES: Final = {
    "connections": "connections",
    "requests_per_s": "rankings a second",
    "offered_per_s": "offered a second",
    "accepted_per_s": "ranked a second",
    "shed": "refused with 429",
    "p50_ms": "median, ms",
    "p99_ms": "99th percentile, ms",
}


def sections(results: Path) -> Iterator[str]:
    """Make a section of every measurement that is stored."""
    made: dict[str, Callable[[Json], str]] = {
        "serving-http": _http,
        "serving-throughput": _throughput,
        "serving-ingest": _ingest,
        "serving-state": _state,
        "frameworks": _frameworks,
    }
    for name, make in made.items():
        stored = single(results, name)
        if stored is not None:
            yield make(stored)


def _http(stored: Json) -> str:
    sizes = [size for size in stored if size.partition(" ")[0].isdecimal()]
    lines = [[size, *(cost(stored[size][part]) for part in PARTS)] for size in sizes]
    text = (
        f"[Metarank's protocol]({PROTOCOL}): for each number of random candidates 5,000 requests one after "
        "the other from one client, here after 1,000 each to warm up, for people with 50 stored events who "
        f"take turns. {ALL_SIGNALS} The parts are medians of the same steps in process; the rest is HTTP, "
        f"sockets and the client. {RECALLED} A request that asks for no work takes "
        f"{cost(stored['alive']['p50_ms'])} ms."
    )
    theirs = (
        f"Metarank's own chart ([doc/performance.md]({METARANK}/doc/performance.md), its binary format, a "
        "machine it doesn't name, its data and features) shows about 7 and 10 ms at 100 candidates, 20 and "
        "24 ms at 300: median and 99th percentile."
    )
    body = ["## One ranking over HTTP", text, table(["candidates", *PARTS.values()], lines), theirs]
    return joined(body, stored)


def _throughput(stored: Json) -> str:
    loads = {
        "closed": "16 clients that wait (wrk)",
        "closed, after an event": "the same after an event",
        "overload": "three times as many, whatever comes back",
    }
    lines = [
        [label, *("-" if key not in stored[load] else _rate(key, stored[load][key]) for key in RATES)]
        for load, label in loads.items()
    ]
    refused = sum(stored[load]["not_200"] for load in loads if load in stored and load != "overload")
    text = (
        f"One worker, {stored['candidates']} candidates. {ALL_SIGNALS} {RECALLED} wrk's percentiles are of "
        f"all answers, of which {refused:,} were refusals. Under overload, after an event, requests are "
        "evenly spaced and sent when due; the percentiles are of rankings that were given, since due."
    )
    return joined(["## Rankings a second", text, table(["", *RATES.values()], lines)], stored)


def _rate(key: str, value: float) -> str:
    if key == "shed":
        return f"{value:.0%}"
    return cost(value) if key.endswith("_ms") else f"{value:,.0f}"


def _ingest(stored: Json) -> str:
    ways = {"batches": "500 a request", "singles": "one a request"}
    lines = [
        [label, *(f"{stored[way][key]:,.0f}" for key in ("connections", "events", "events_per_s"))]
        + [cost(stored[way][key]) for key in ("p50_ms", "p99_ms")]
        for way, label in ways.items()
    ]
    killed, fresh, two = stored["killed"], stored["fresh"], stored["fresh, 2 workers"]
    text = (
        "An event is acknowledged when it is on disk. After the last acknowledgement the server was killed "
        f"with SIGKILL and started again: of {killed['acknowledged']:,} acknowledged events, "
        f"{killed['lost']:,} were missing. Then {fresh['checked']:,} times an event was sent and, once "
        f"acknowledged, a ranking asked for on another connection: {fresh['misses']:,} of them missed the "
        f"event with one worker, {two['misses']:,} with two, each at the end of one connection. A miss is a "
        "ranking whose scores aren't those that the library computes with the event."
    )
    header = ["", "connections", "events", "events a second", "median, ms", "99th percentile, ms"]
    return joined(["## Events: how many, how safe, how soon", text, table(header, lines)], stored)


def _state(stored: Json) -> str:
    sizes = [size for size in stored if size.isdecimal()]
    names = {
        "disk_mb": "on disk, MB",
        "compacted_mb": "after compaction, MB",
        "own_mb": "memory, MB",
        "files_mb": "mapped pages, MB",
        "p50_ms": "median, ms",
        "p99_ms": "99th percentile, ms",
    }
    lines = [[f"{int(size):,}", *(cost(stored[size][key]) for key in names)] for size in sizes]
    text = (
        "The embedded state with 50 events a person; memory is what the server holds beyond one without "
        "people, after 6,000 rankings of 100 candidates for people drawn evenly, of which the last 5,000 "
        f"are timed. The system takes mapped pages back when it needs room. {ALL_SIGNALS}"
    )
    return joined(["## A million people", text, table(["people", *names.values()], lines)], stored)


def _frameworks(stored: Json) -> str:
    lines = [
        [
            row["framework"],
            row["server"],
            cost(row["p50_ms"]),
            cost(row["p99_ms"]),
            f"{row['requests_per_s']:,.0f}",
        ]
        for row in stored["rows"]
    ]
    header = ["framework", "server", "median, ms", "99th percentile, ms", "requests a second"]
    return joined(["## Web frameworks", table(header, lines, left=2)], stored)


def measure(name: str, *options: str) -> Mapping[str, object]:
    """Run one measurement; gives what it printed, and its command."""
    command = ["tailrank", "bench", name, *options, "--json"]
    program = Path(sys.executable).with_name("tailrank")
    passive = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run([program, *command[1:]], env=passive, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return {"command": " ".join(command), **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    """Measure, and store the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURED)}; by default all")
    for name in parser.parse_args().names or MEASURED:
        if name not in MEASURED:
            parser.error(f"{name}: choose from {', '.join(MEASURED)}")
        keep(RESULTS / f"serving-{name}.json", measure(name))


if __name__ == "__main__":
    main()
