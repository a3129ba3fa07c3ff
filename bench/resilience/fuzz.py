"""Requests that are bent: drawn from the server's description, and valid bodies changed byte by byte."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.resilience.clients import items_of
from bench.study import Json, Model, report
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.benchmarks.subject import event_json
from tailrank.server.routes import EXAMPLES as BODIES

CASES: Final = 100_000
SEED: Final = 0
EXAMPLES: Final = 300
CHECKS: Final = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
)
EXTREME: Final = (
    *b"NaN -0.0 1e308 -1e308 1e400 5e-324 9223372036854775808 -1 0 1 1e9 null true false".split(),
    *(b'"ada"', b'{"id":"1","score":-1e300}', b'{"item_id":"1"}', b'""', b"[]", b"{}"),
    *('"\u00e9\u4e2d"'.encode(), '"\U0010ffff"'.encode(), b'"\\ud800"', b'"\\u0000"', b"\xff\xfe"),
    *(b'"' + b"a" * 401 + b'"', b"[" * 2_000),
)
"""What values are replaced by."""


def bent(body: bytes, rng: random.Random) -> bytes:
    """Change a body in up to four places: bytes flipped, cut out, doubled, or values made extreme."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(body) + 1)
        end = min(len(body), at + rng.randint(1, 16))
        how = rng.randrange(8)
        if how == 0 and body[at:]:
            body = body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
        elif how == 1:
            body = body[:at] + body[end:]
        elif how == 2:
            body = body[:end] + body[at:end] * rng.randint(1, 50) + body[end:]
        else:
            body = _valued(body, rng)
    return body


def _valued(body: bytes, rng: random.Random) -> bytes:
    """Replace a value, between a colon, comma or bracket and the next, by something extreme."""
    starts = [at + 1 for at, byte in enumerate(body) if byte in b":,["]
    if not starts:
        return body + rng.choice(EXTREME)
    start = rng.choice(starts)
    ends = [at for at in range(start, len(body)) if body[at] in b",}]"]
    return body[:start] + rng.choice(EXTREME) + body[ends[0] if ends else len(body) :]


def seeds(items: Sequence[str]) -> list[tuple[str, bytes]]:
    """List valid requests: a path and a body each."""
    found = [(path.replace("{model}", "any"), json.dumps(body)) for path, body in BODIES.items()]
    events = [event_json(n, "ada", items[0], "click", 1.7e9) | {"value": 1.5} for n in range(5)]
    scored = [{"id": name, "score": at / 7} for at, name in enumerate(items[:8])]
    history = [items[0], {"item_id": items[1], "event": "click", "timestamp": 1e9}]
    how: Json = {"user": "ada", "history": history, "k": 3, "explain": True}
    how |= {"policy": {"tail": 0.5}, "deadline_ms": 50.0}
    found += [
        ("/v1/events", json.dumps(events)),
        ("/v1/rank", json.dumps({"candidates": scored, **how})),
        ("/v1/rank", json.dumps({"candidates": [*items[:8], "?"], "session": "s"})),
    ]
    return [(path, body.encode()) for path, body in found if path not in {"/v1/items", "/v1/rerank"}]


def fuzz(port: int, items: Sequence[str], cases: int, seed: int = SEED) -> Json:
    """Send bent events and requests to rank; gives how often each status came, and the faults."""
    rng, valid = random.Random(seed), seeds(items)  # noqa: S311
    statuses, faults, connection = Counter[str](), [], Connection(port)
    for _ in range(cases):
        path, body = rng.choice(valid)
        body = bent(body, rng)
        status, answer = connection.exchange(request(path, body))
        statuses[str(status)] += 1
        if status >= 500 or b'"reason":"error"' in answer or b'"score":null' in answer:
            sent, got = body[:500].decode(errors="replace"), answer[:200].decode()
            faults.append({"path": path, "body": sent, "status": status, "answer": got})
    connection.close()
    return {"cases": cases, "seed": seed, "statuses": dict(statuses), "faults": faults[:20]}


def drawn(url: str, folder: str, examples: int) -> int:
    """Draw requests from the description that a server gives of itself; gives schemathesis's exit code."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", "--no-color", "--seed", str(SEED)]
    command += ["--checks", CHECKS, "--max-examples", str(examples), f"{url}/openapi.json"]
    return subprocess.run(command, check=False, cwd=folder).returncode  # noqa: S603 - our own command


def main(
    model: Model,
    cases: int = CASES,
    seed: int = SEED,
    examples: Annotated[int, typer.Option(help="Of schemathesis, for each endpoint.")] = EXAMPLES,
) -> None:
    """Bend, and print one JSON object; fails if a status of 500 or a ranking in error came."""
    with tempfile.TemporaryDirectory() as folder:
        with Server(model, Path(folder, "state"), "--queue-ms", "10000") as server:
            found = fuzz(server.port, items_of(model), cases, seed)
        report("fuzz.json", found, kept=False)
        with Server(model, Path(folder, "fresh"), "--queue-ms", "10000") as server:
            failed = drawn(server.url, folder, examples)
    if found["faults"] or failed:
        raise SystemExit("there were faults")
