"""Where the time of a request over HTTP goes, now and before, and the least that it could be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench.frameworks import bare, started
from bench.sidebyside.ground import Ground
from bench.sidebyside.process import ranked
from bench.sidebyside.service import knowing
from bench.sidebyside.side import ROOT, Side
from bench.study import Json, store
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.timing import WARM_UP, time_requests
from tailrank.data.cache import cache_root

CANDIDATES: Final = 100
ANSWER: Final = "BENCH_ANSWER"
KINDS: Final = {"": False, ", after an event": True}


def echo() -> Any:
    """Make an application that reads a body, and gives the bytes that the environment names."""
    answer = Path(os.environ[ANSWER]).read_bytes()

    async def work(_: bytes) -> bytes:
        return answer

    return bare(work)


def measured(ground: Ground, side: Side, last: int) -> list[Json]:
    """Time rankings over HTTP, their parts in process, and the same bytes from an application that echoes."""
    rng, found = np.random.default_rng(0), []
    with knowing(ground, side) as (port, it):
        for kind, new_event in KINDS.items():
            bodies = it.rankings(last + last // WARM_UP, CANDIDATES, rng, new_event=new_event)
            file, sent = it.state.with_name("bodies"), [request("/v1/rank", body) for body in bodies]
            file.write_bytes(b"\n".join(bodies))
            whole = time_requests(port, sent, last)["p50_ms"]
            parts = side.probe("parts", model=it.model, state=it.state, bodies=file, last=last)
            parts["HTTP and client"] = whole - sum(parts.values())
            found.append({"title": f"{side.name}{kind}", "parts": parts, "whole": whole})
        connection, reply = Connection(port), it.state.with_name("answer")
        reply.write_bytes(connection.insist(sent[-1]))
        connection.close()
        with started("bench.profile:echo", "uvicorn", {ANSWER: str(reply)}) as bare_port:
            floor = time_requests(bare_port, sent, last)["p50_ms"]
    product = ranked(side, ground.model, ground.requests(CANDIDATES), last)["gemm_ms"]
    floors = {"application that echoes": floor, "bare product of events and candidates": product}
    return [{**each, "floors": floors} for each in found]


def main(
    now: Annotated[Path, typer.Argument(help="A checkout.")] = ROOT,
    before: Annotated[Path | None, typer.Option(help="An older one, to compare with.")] = None,
    data: Annotated[str, typer.Option(help="Data with users of 50 events.")] = "movielens-100k",
    model: Annotated[Path | None, typer.Option(help="Of these data; by default one is trained.")] = None,
    requests: Annotated[int, typer.Option(min=5, help="That are timed, of each kind.")] = 2_000,
) -> None:
    """Measure, and store the results."""
    sides = [Side("before", before)] if before else []
    sides.append(Side("now", now))
    folder = cache_root() / "profile" / f"{sides[0].about['source'][:12]}-{Path(data).name}"
    folder.mkdir(parents=True, exist_ok=True)
    ground = Ground(sides[0], folder, data, model)
    columns = [column for side in sides for column in measured(ground, side, requests)]
    print(json.dumps(columns), flush=True)
    builds = {side.name: side.about for side in sides}
    note = f"{CANDIDATES} candidates, {requests:,} requests of each kind; {ground.dataset.name}."
    store(
        "profile.json",
        {"command": "python -m bench profile", "note": note, "builds": builds, "columns": columns},
    )
