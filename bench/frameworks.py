"""The same ranking behind several web frameworks and servers: what each of them adds to it.

The frameworks are no dependencies of tailrank. Put them into a folder of their own:

    pip install --target FOLDER --constraint constraints.txt fastapi granian litestar starlette uvicorn
    PYTHONPATH=FOLDER python -m bench frameworks

wrk is needed, too.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec
import numpy as np

from bench.study import Json, store
from bench.waiting import wait_until
from tailrank.api import Ranking, RankRequest
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.http import rank as as_served
from tailrank.benchmarks.launcher import PATIENCE, cores, free_port, measured_server, pinned
from tailrank.benchmarks.subject import Subject, subject
from tailrank.benchmarks.throughput import wrk
from tailrank.benchmarks.timing import time_requests
from tailrank.cli.options import Data as DataOption
from tailrank.cli.options import load
from tailrank.ranking.reranker import Reranker
from tailrank.state.open import open_state

CANDIDATES: Final = 100
REQUESTS, WARM_UP = 5_000, 1_000
SECONDS: Final = 10
SEED: Final = 0
PATH: Final = "/v1/rank"
JSON: Final = "application/json"
SERVERS: Final = ("uvicorn", "granian")
PACKAGES: Final = ("fastapi", "granian", "litestar", "starlette", "uvicorn")
VARIABLES: Final = ("BENCH_FRAMEWORK", "BENCH_MODEL", "BENCH_STATE")
"""Say what `app` makes, as servers import it by name."""

Work = Callable[[bytes], Awaitable[bytes]]


def work(model: str, state: str) -> Work:
    """Give what is behind every framework: the body of a request in, the body of an answer out."""
    reranker, kept = Reranker.load(Path(model)), open_state(state)
    decode, encode = msgspec.json.Decoder(RankRequest).decode, msgspec.json.Encoder().encode

    async def rank(body: bytes) -> bytes:
        asked = decode(body)
        history = (await kept.read(asked.user or "")).history
        return encode(Ranking(os.urandom(12).hex(), "model", 0.0, False, as_served(reranker, asked, history)))

    return rank


def bare(rank: Work) -> Any:
    """Speak ASGI."""
    head = [(b"content-type", JSON.encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        answer = await rank(body)
        headers = [*head, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def starlette(rank: Work) -> Any:
    """Route with Starlette."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def endpoint(asked: Any) -> Response:
        return Response(await rank(await asked.body()), media_type=JSON)

    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])])


def fastapi(rank: Work) -> Any:
    """Route with FastAPI."""
    from fastapi import FastAPI, Request, Response

    async def endpoint(asked: Any) -> Response:
        return Response(await rank(await asked.body()), media_type=JSON)

    # FastAPI reads annotations by name, and these names are local.
    endpoint.__annotations__ = {"asked": Request, "return": Response}
    app = FastAPI()
    app.post(PATH)(endpoint)
    return app


def litestar(rank: Work) -> Any:
    """Route with litestar."""
    from litestar import Litestar, Request, Response, post

    async def endpoint(request: Any) -> Response:
        return Response(await rank(await request.body()), media_type=JSON, status_code=200)

    endpoint.__annotations__ = {"request": Request, "return": Response}
    return Litestar([post(PATH)(endpoint)], openapi_config=None)


FRAMEWORKS: Final = {"ASGI": bare, "Starlette": starlette, "FastAPI": fastapi, "litestar": litestar}


def app() -> Any:
    """Make the application that the environment names."""
    framework, model, state = (os.environ[name] for name in VARIABLES)
    return FRAMEWORKS[framework](work(model, state))


def serve(target: str, server: str, port: int) -> None:
    """Serve the application that a function makes, named as servers import it."""
    if server == "uvicorn":
        import uvicorn

        quiet: dict[str, Any] = {"log_level": "error", "lifespan": "off", "access_log": False}
        bare: dict[str, Any] = {"proxy_headers": False, "server_header": False, "date_header": False}
        uvicorn.run(target, factory=True, port=port, **quiet, **bare)
    else:
        from granian import Granian
        from granian.constants import Interfaces, Loops

        how = {"interface": Interfaces.ASGINL, "loop": Loops.uvloop, "factory": True, "log_enabled": False}
        Granian(target, port=port, **how).serve()


@contextmanager
def started(target: str, server: str, variables: Mapping[str, str]) -> Iterator[int]:
    """Run an application in a process and on a core of its own; gives the port."""
    (core, clients), port = cores(), free_port()
    process = get_context("spawn").Process(target=serve, args=(target, server, port))
    with pinned(clients):
        with pinned(core), patch.dict(os.environ, variables, OMP_NUM_THREADS="1"):
            process.start()
        try:
            wait_until(lambda: _answers(process, port), PATIENCE, "the server wasn't ready")
            yield port
        finally:
            process.terminate()
            process.join(PATIENCE)


def _answers(process: SpawnProcess, port: int) -> bool:
    if not process.is_alive():
        raise SystemExit(f"the server ended with {process.exitcode}")
    try:
        connection = Connection(port)
    except OSError:
        return False
    connection.insist(request(PATH, b'{"user":"none","candidates":[]}'))
    connection.close()
    return True


def measured(port: int, bodies: list[bytes], file: Path, seconds: float) -> Json:
    """Measure what listens at a port."""
    single = time_requests(port, [request(PATH, body) for body in bodies], len(bodies) * 5 // 6)
    return {**single, "requests_per_s": wrk(port, file, seconds)["requests_per_s"]}


def study(it: Subject, requests: int = REQUESTS + WARM_UP, seconds: float = SECONDS) -> list[Json]:
    """Measure all of tailrank, then every framework on every server."""
    bodies = it.rankings(requests, CANDIDATES, np.random.default_rng(SEED))
    file = it.state.with_name("bodies")
    file.write_bytes(b"\n".join(bodies))
    with measured_server(it.model, it.state, "--queue-ms", "1000") as ours:
        it.store_events(ours.port)
        found = measured(ours.port, bodies, file, seconds)
        rows = [{"framework": "**tailrank**", "server": "uvicorn", **found}]
    for server in SERVERS:
        for framework in FRAMEWORKS:
            variables = dict(zip(VARIABLES, (framework, str(it.model), str(it.state)), strict=True))
            with started("bench.frameworks:app", server, variables) as port:
                found = measured(port, bodies, file, seconds)
                rows.append({"framework": framework, "server": server, **found})
    return rows


def main(data: DataOption = "movielens-100k") -> None:
    """Measure, and store the results."""
    with subject(load(data), None, 1, SEED) as it:
        rows = study(it)
    versions = {name: version(name) for name in PACKAGES}
    note = f"{', '.join(f'{name} {number}' for name, number in versions.items())}."
    store("frameworks.json", {"seed": SEED, "note": note, "rows": rows, "frameworks": versions})
