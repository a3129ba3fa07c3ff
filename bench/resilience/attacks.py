"""What a server should not be sent, with or without a key: it ranks on, as fast as before.

Each run measures the rankings of a client that waits for its answers, first in calm, then under attack. It is
passed if all of them succeed, the 99th percentile of their times is at most twice the calm one or 5 ms, no
answer has status 500, and what the run itself counts is as it should be.
"""

from __future__ import annotations

import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import typer

from bench.resilience.clients import Outcome, RecordingClient, items_of, load, rank
from bench.resilience.fuzz import fuzz
from bench.study import Json, Keep, Model, chosen, report
from tailrank.api_texts import MAX_DOCUMENTS
from tailrank.benchmarks.connection import HOST, request
from tailrank.benchmarks.launcher import Server, resident
from tailrank.server.descriptors import make_room
from tailrank.server.protocol import HEAD_SECONDS, MAX_PIPELINED

SECONDS: Final = 10.0
"""Of calm, and of most attacks."""

IDLE: Final = 1_000
FLOODS: Final = 10
READERS: Final = 100
MALFORMED: Final = 300
ABANDONED: Final = 3
MOST_P99: Final = 2.0
"""Times the calm one."""

ENOUGH_MS: Final = 5.0
"""What a ranking may take however quick calm ones are."""

MOST_MB: Final = 64
"""By which the server may grow under attack."""

STOP_SECONDS: Final = 30
PUT_SECONDS: Final = 5


@contextmanager
def attacked(model: Path, folder: Path, seconds: float) -> Iterator[tuple[Server, Json]]:
    """Rank in calm, then during the `with`; gives the server, and results that are whole after it."""
    items, found = items_of(model), Json()
    with Server(model, folder / "state", "--queue-ms", "10000") as server:
        RecordingClient(server.port).ask("/v1/rerank", {"query": "tea", "documents": ["tea"]})
        with load(server.port, {"rank": rank(items)}) as clients:
            time.sleep(seconds)
            begun, before = time.monotonic(), resident(server.process.pid)["own_mb"]
            yield server, found
            found["grown_mb"] = round(resident(server.process.pid)["own_mb"] - before, 1)
    outcomes = clients["rank"].outcomes
    calm, during = [o for o in outcomes if o.at < begun], [o for o in outcomes if o.at >= begun]
    found["rankings"] = dict(Counter(_said(o) for o in outcomes))
    found |= {"calm_p99_ms": _p99(calm), "attacked_p99_ms": _p99(during)}
    as_fast = found["attacked_p99_ms"] <= max(MOST_P99 * found["calm_p99_ms"], ENOUGH_MS)
    found["passed"] = found.pop("held") and as_fast and set(found["rankings"]) == {"200"}


def heads(model: Path, folder: Path, seconds: float) -> Json:
    """Send heads without an end, on a few connections at a time."""
    with attacked(model, folder, seconds) as (server, found):
        sent, statuses, until = 0, Counter[str](), time.monotonic() + seconds
        while time.monotonic() < until:
            lines = [_line(server.port, b"GET / HTTP/1.1\r\nfield: ") for _ in range(FLOODS)]
            for line in lines:
                with suppress(OSError):
                    for _ in range(64):
                        sent += line.send(b"a" * 65_536)
            statuses.update(map(_status, lines))
            time.sleep(0.2)  # or what is measured is how busy this client is
        found |= {"sent_mb": round(sent / 1e6, 1), "statuses": dict(statuses)}
        found["held"] = set(statuses) <= {"431", "closed"}
    found["passed"] &= found["grown_mb"] <= MOST_MB
    return found


def idle(model: Path, folder: Path, seconds: float, n: int = IDLE) -> Json:
    """Open connections that say nothing, or half a head, and see them closed while others are served."""
    make_room(n)
    with attacked(model, folder, seconds) as (server, found):
        lines = [_line(server.port, b"GET / HTTP/1.1\r\n" if at % 2 else b"") for at in range(n)]
        fresh = RecordingClient(server.port).ask("/readyz")
        time.sleep(HEAD_SECONDS + 1)
        statuses = Counter(map(_status, lines))
        found |= {"connections": n, "meanwhile": fresh.status, "statuses": dict(statuses)}
        found["held"] = fresh.status == 200 and set(statuses) <= {"408", "closed"}
    return found


def unread(model: Path, folder: Path, seconds: float) -> Json:
    """Send requests ahead of their answers, and read none of these."""
    with attacked(model, folder, seconds) as (server, found):
        ahead = request("/openapi.json") * MAX_PIPELINED
        lines = [_line(server.port, ahead) for _ in range(READERS)]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in lines:
                with suppress(OSError):
                    line.send(ahead)
            time.sleep(0.1)
        fresh = RecordingClient(server.port).ask("/readyz")
        found |= {"connections": READERS, "meanwhile": fresh.status, "held": fresh.status == 200}
        for line in lines:
            line.close()
    found["passed"] &= found["grown_mb"] <= MOST_MB
    return found


def malformed(model: Path, folder: Path, seconds: float) -> Json:
    """Send bodies that are bent."""
    items = items_of(model)
    with attacked(model, folder, seconds) as (server, found):
        bent = fuzz(server.port, items, MALFORMED)
        found |= {"bodies": MALFORMED, "statuses": bent["statuses"], "faults": bent["faults"]}
        found["held"] = not bent["faults"]
    return found


def reranks(model: Path, folder: Path, seconds: float) -> Json:
    """Abandon lists of documents, put items meanwhile, and stop the server with more lists under way."""
    rng = random.Random(0)  # noqa: S311
    documents = [" ".join(f"w{rng.randrange(5_000)}" for _ in range(200)) for _ in range(MAX_DOCUMENTS)]
    lists = request("/v1/rerank", msgspec.json.encode({"query": "tea", "documents": documents}))
    with attacked(model, folder, seconds) as (server, found):
        for line in [_line(server.port, lists) for _ in range(ABANDONED)]:
            line.close()
        kept = [_line(server.port, lists) for _ in range(ABANDONED)]
        client, until = RecordingClient(server.port, 120), time.monotonic() + seconds
        while time.monotonic() < until:
            client.ask("/v1/items", {"item_id": "new", "title": "The camping story"})
        found.update(_puts(client.outcomes))
        for line in kept:
            line.close()
    with Server(model, folder / "stopped") as server:
        kept = [_line(server.port, lists) for _ in range(ABANDONED)]
        time.sleep(1)
        begun = time.monotonic()
    found["stop_s"] = round(time.monotonic() - begun, 1)
    found["stopped"] = dict(Counter(map(_status, kept)))
    found["passed"] &= found["stop_s"] <= STOP_SECONDS and set(found["stopped"]) <= {"200", "503"}
    return found


def _puts(outcomes: Sequence[Outcome]) -> Json:
    """Sum up what came of items that were put."""
    slowest, statuses = max(o.ms for o in outcomes) / 1e3, Counter(str(o.status) for o in outcomes)
    held = set(statuses) == {"200"} and slowest <= PUT_SECONDS
    return {"puts": dict(statuses), "slowest_put_s": round(slowest, 2), "held": held}


def _line(port: int, sent: bytes) -> socket.socket:
    """Open a connection and send something; what is sent later doesn't wait."""
    line = socket.create_connection((HOST, port), timeout=10)
    line.sendall(sent)
    line.setblocking(False)
    return line


def _status(line: socket.socket) -> str:
    """Read what came, and hang up: a status, `closed` if the connection was, else `open`."""
    try:
        line.settimeout(2)
        answer = line.recv(1 << 16)
    except TimeoutError:
        return "open"
    except OSError:
        return "closed"
    finally:
        line.close()
    return answer[9:12].decode() or "closed"


def _said(outcome: Outcome) -> str:
    degraded = outcome.status == 200 and outcome.answer["degraded"]
    return f"{outcome.status}{' degraded' if degraded else ''}"


def _p99(outcomes: Sequence[Outcome]) -> float:
    return round(float(np.percentile([o.ms for o in outcomes], 99)), 2)


RUNS: Final[Mapping[str, Callable[[Path, Path, float], Json]]] = {
    "heads": heads,
    "idle": idle,
    "unread": unread,
    "malformed": malformed,
    "reranks": reranks,
}


def main(
    model: Model,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(RUNS)}; may be given again.")] = None,
    keep: Keep = False,
) -> None:
    """Attack in every way, print one JSON object, and keep it; fails unless every run is passed."""
    found: Json = {}
    for name in chosen(only, RUNS):
        with tempfile.TemporaryDirectory() as folder:
            found[name] = RUNS[name](model, Path(folder), SECONDS)
    report("attacks.json", found, keep)
    failed = [name for name, each in found.items() if not each["passed"]]
    if failed:
        raise SystemExit(f"not passed: {', '.join(failed)}")
