"""What `serve --traces` costs a ranking: nothing traced, one request in a hundred, every request.

Three servers take turns at the same requests, one connection to each. `cpu_us` is what a server computed for
a request, sending its spans included; what receives them runs in the client's process, and isn't counted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Annotated, Final

import numpy as np
import typer

from bench.impressions import BLOCK, CANDIDATES, RESAMPLES, SEED, cpu_seconds
from bench.study import Json, Keep, Model, report
from tailrank.arrays import Doubles
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server, cores, pinned
from tailrank.benchmarks.subject import Subject, subject
from tailrank.cli.options import load

SAMPLED: Final = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
WARM_UP: Final = 2
"""Blocks to each server that aren't counted."""


class Collector(BaseHTTPRequestHandler):
    """Takes spans, and forgets them."""

    def do_POST(self) -> None:
        """Answer that they came."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def servers(it: Subject) -> Iterator[dict[str, Server]]:
    """Run the servers on one core, and this process on another."""
    core, clients = cores()
    with ExitStack() as running, pinned(clients):
        collector = running.enter_context(HTTPServer(("127.0.0.1", 0), Collector))
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        running.callback(collector.shutdown)
        address = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        ways: dict[str, dict[str, str]] = {"none": {}, "1 in 100": address | SAMPLED, "all": address}
        found = {}
        for name, environment in ways.items():
            options = ("--traces",) if environment else ()
            with pinned(core):
                state = it.state.with_name(name.replace(" ", "-"))
                server = Server(it.model, state, "--queue-ms", "10000", *options, **environment)
            found[name] = running.enter_context(server)
            it.store_events(server.port)
        yield found


def measured(found: dict[str, Server], bodies: Sequence[bytes], blocks: int) -> dict[str, Doubles]:
    """Give the microseconds that each server computed for a request, shape (blocks,)."""
    sent = [request("/v1/rank", body) for body in bodies]
    used: dict[str, list[float]] = {name: [] for name in found}
    for block in range(blocks + WARM_UP):
        for name in sorted(found, reverse=bool(block % 2)):
            line = Connection(found[name].port)  # a new one: those that wait for long are closed
            before = cpu_seconds(found[name].process.pid)
            for at in range(BLOCK):
                line.insist(sent[(block * BLOCK + at) % len(sent)])
            used[name].append(1e6 * (cpu_seconds(found[name].process.pid) - before) / BLOCK)
            line.close()
    return {name: np.array(each[WARM_UP:]) for name, each in used.items()}


def summary(used: dict[str, Doubles]) -> Json:
    """Give means, and what tracing adds, with 95% bootstrap intervals over the blocks."""
    found: Json = {f"{name}, cpu_us": float(each.mean()) for name, each in used.items()}
    for name in ("1 in 100", "all"):
        added = used[name] - used["none"]
        drawn = np.random.default_rng(SEED).integers(len(added), size=(RESAMPLES, len(added)))
        interval = np.percentile(added[drawn].mean(axis=1), [2.5, 97.5]).tolist()
        found[f"{name}, added_us"], found[f"{name}, ci95"] = float(added.mean()), interval
    return found


def main(
    model: Model,
    data: Annotated[str, typer.Option(help="That the model learned from.")] = "movielens-100k",
    blocks: Annotated[int, typer.Option(help=f"Of {BLOCK} requests to each server.")] = 40,
    keep: Keep = False,
) -> None:
    """Measure what tracing costs, and print one JSON object."""
    with subject(load(data), model, 0, SEED) as it, servers(it) as found:
        bodies = it.rankings(5_000, CANDIDATES, np.random.default_rng(SEED), new_event=True)
        used = measured(found, bodies, blocks)
    report("tracing.json", {"seed": SEED, "blocks": blocks, **summary(used)}, keep)
