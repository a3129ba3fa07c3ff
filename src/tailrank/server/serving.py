"""Runs a server: one worker in this process, or several under a supervisor that replaces dead ones."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from tailrank.errors import RequestError
from tailrank.server.app import ARRIVED, App
from tailrank.server.logs import start_logging
from tailrank.server.metrics import SHARED
from tailrank.server.model_manager import LoadedModel
from tailrank.server.settings import ServerSettings
from tailrank.state.open import open_state

BACKLOG: Final = 2_048
KEPT_ALIVE: Final = 75
"""Seconds that a connection may rest between requests."""

GRACE: Final = 30
"""Seconds that requests under way may take to end."""


class Timed(HttpToolsProtocol):
    """Notes when each request came, so that the time that it waits for the others counts."""

    def on_message_begin(self) -> None:
        """Note it."""
        super().on_message_begin()
        self.scope[ARRIVED] = time.perf_counter()  # type: ignore[typeddict-unknown-key]


def serve(settings: ServerSettings) -> None:
    """Serve until a signal says to stop; requests under way are answered first.

    Raises
    ------
    TailrankError
        Where the model, the state or the address can't be used.
    """
    listening = _listen(settings.host, settings.port)
    # uvicorn raises the signal that stopped it once more when all is done: that is a good end.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    host, port = listening.getsockname()[:2]
    print(f"tailrank listens at http://{host}:{port} (stop: Ctrl+C)", file=sys.stderr, flush=True)
    with listening:
        if settings.workers == 1:
            _alone(settings, listening)
        else:
            _together(settings, listening)


def application(settings: ServerSettings) -> App:
    """Make one worker's application."""
    start_logging()
    if (supervisor := parent_process()) is not None:
        Thread(target=_end_after, args=(supervisor,), daemon=True).start()
    return App(settings)


def _alone(settings: ServerSettings, listening: socket.socket) -> None:
    app = application(settings)
    try:
        uvicorn.Server(_config(lambda: app, 1)).run(sockets=[listening])
    finally:
        if app.failure is not None:
            raise app.failure


def _together(settings: ServerSettings, listening: socket.socket) -> None:
    # What no worker could start with is found out here, once, and not by each of them again and again.
    LoadedModel.load(settings.model)
    asyncio.run(_try_state(settings))
    with tempfile.TemporaryDirectory(prefix="tailrank-metrics-") as folder:
        os.environ[SHARED] = folder
        config = _config(partial(application, settings), settings.workers)
        Multiprocess(config, sockets=[listening]).run()


def _end_after(supervisor: BaseProcess) -> None:
    """End when the supervisor was killed: nobody could stop this worker, and it would keep the address."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


async def _try_state(settings: ServerSettings) -> None:
    await open_state(settings.state, ttl_days=settings.ttl_days).close()


def _config(app: object, workers: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=True,
        workers=workers,
        http=Timed,
        loop="auto",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # anybody can write these: who calls is who is connected
        backlog=BACKLOG,
        timeout_keep_alive=KEPT_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address.

    Raises
    ------
    RequestError
        Where it is taken, or not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as why:
        raise RequestError(
            f"--host {host} --port {port}: can't listen there ({why.strerror or why}): choose another port"
        ) from None
