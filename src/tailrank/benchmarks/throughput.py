"""Ask one worker on one core for as many rankings of 100 candidates as it gives, then for thrice as many.

`closed`: wrk, on another core, with 16 connections that each wait for their answers; its percentiles are
of all answers, `not_200` among them, which the rate leaves out. The model recalls what it made of a history
that it saw lately; `after an event`, each request brings one that isn't stored. `overload`: an open loop
of our own sends three times the latter rate on up to 400 connections, whatever the server does; p50 and
p99 are of the rankings that it gave, since they were due; 429 refuses the others.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np

from tailrank.benchmarks.connection import OK, SHED, request
from tailrank.benchmarks.launcher import measured_server
from tailrank.benchmarks.load import Answers, drive
from tailrank.benchmarks.subject import Subject
from tailrank.benchmarks.timing import Measurements, percentiles
from tailrank.errors import RequestError

CANDIDATES: Final = 100
DISTINCT: Final = 5_000
CONNECTIONS: Final = 16
MANY: Final = 400
OVERLOAD: Final = 3

SCRIPT: Final = """\
local requests, at = {}, 0
init = function(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", "/v1/rank", {["Content-Type"] = "application/json"}, body)
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local wrong = summary.errors
  local failed = wrong.connect + wrong.read + wrong.write + wrong.timeout
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  io.write(string.format('{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"failed":%d}\\n',
    summary.requests, summary.duration, p50, p99, wrong.status, failed))
end
"""
"""For wrk: bodies from a file, one after the other; one line of JSON in the end."""


def check_wrk() -> None:
    """Refuse to go on without wrk.

    Raises
    ------
    RequestError
        If it isn't installed.
    """
    if shutil.which("wrk") is None:
        raise RequestError("throughput is measured with wrk, which is missing: apt-get install wrk")


def measure(it: Subject, seconds: float, seed: int) -> Measurements:
    """Load a server for so many seconds in each way; raises as `wrk` does."""
    rng, closed = np.random.default_rng(seed), {}
    with measured_server(it.model, it.state) as server:
        it.store_events(server.port)
        for name, new in {"closed": False, "closed, after an event": True}.items():
            bodies = it.rankings(DISTINCT, CANDIDATES, rng, new_event=new)
            file = it.state.with_name("bodies")
            file.write_bytes(b"\n".join(bodies))
            wrk(server.port, file, 2)
            closed[name] = wrk(server.port, file, seconds)
        rate = OVERLOAD * closed[name]["requests_per_s"]
        sent = [request("/v1/rank", body) for body in bodies]
        n = max(1, int(rate * seconds))
        answers = drive(server.port, [sent[at % len(sent)] for at in range(n)], MANY, np.arange(n) / rate)
    return {"candidates": CANDIDATES, **closed, "overload": _overload(answers)}


def wrk(port: int, file: Path, seconds: float) -> dict[str, Any]:
    """Send the bodies of a file, one a line, from 16 connections, each as soon as the one before is answered.

    Raises
    ------
    RequestError
        If wrk fails.
    """
    script = file.with_suffix(".lua")
    script.write_text(SCRIPT)
    options = ["--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds:.0f}s"]
    command = ["wrk", *options, "--script", str(script), f"http://127.0.0.1:{port}", "--", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RequestError(f"wrk failed: {done.stderr or done.stdout}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "connections": CONNECTIONS,
        "requests_per_s": (found["requests"] - found["refused"]) / (found["us"] / 1e6),
        "p50_ms": found["p50_us"] / 1e3,
        "p99_ms": found["p99_us"] / 1e3,
        "not_200": found["refused"],
        "failed": found["failed"],
    }


def _overload(answers: Answers) -> Measurements:
    n, accepted, shed = len(answers.status), answers.status == OK, answers.status == SHED
    if not accepted.any():
        raise RequestError("the overloaded server refused everything")
    return {
        "connections": MANY,
        "offered_per_s": n / answers.seconds,
        "accepted_per_s": int(accepted.sum()) / answers.seconds,
        **percentiles(answers.ms[accepted]),
        "shed": float(shed.mean()),
        "neither_200_nor_429": n - int(accepted.sum() + shed.sum()),
        "shed_p99_ms": float(np.percentile(answers.ms[shed], 99)) if shed.any() else None,
        "sent_late_p99_ms": float(np.percentile(answers.late_ms, 99)),
    }
