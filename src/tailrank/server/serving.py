"""Runs a server: one worker in this process, or several under a supervisor that replaces dead ones."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from tailrank.errors import DataError, ModelError, RequestError
from tailrank.folders import DESK, MONITOR, TASK, check_there
from tailrank.ranking.storage import model_manifest
from tailrank.server.app import App
from tailrank.server.descriptors import make_room
from tailrank.server.encoding import Encoders
from tailrank.server.exposure import held_steps
from tailrank.server.learning import check_learnable
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.log_process import agreed_on_learning
from tailrank.server.logs import start_logging
from tailrank.server.metrics import SHARED_FOLDER
from tailrank.server.page_files import check_story
from tailrank.server.protocol import MAX_CONNECTIONS, BoundedProtocol
from tailrank.server.ranking_app import RankingApp
from tailrank.server.served_tasks import ServedTasks
from tailrank.server.service_settings import ServiceSettings
from tailrank.server.settings import ServerSettings
from tailrank.server.task_server import TaskApp
from tailrank.state.open import open_state
from tailrank.tasks.monitor.inbox import Inbox

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 75
"""How long a connection may rest between requests."""

START_SECONDS: Final = 30
"""How long a worker may say nothing, as it does while it imports, before it is replaced."""

SHUTDOWN_SECONDS: Final = 25
"""How long requests under way may take to end; what is left ends within five more."""


def serve(settings: ServiceSettings, listening: Callable[[str], None] = lambda _: None) -> None:
    """Serve until a signal says to stop; requests under way are answered first.

    Parameters
    ----------
    settings
        Of a server that ranks, or of one that only labels texts.
    listening
        Is told the address once all that is served was read: what is damaged or missing is said before.

    Raises
    ------
    TailrankError
        If the model, the state or the address can't be used.
    """
    check_folders(settings)
    make_room(MAX_CONNECTIONS)
    listener = _listen(settings.host, settings.port)
    # uvicorn raises the signal that stopped it once more when all is done: that is a good end.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]

    def announce() -> None:
        print(f"tailrank listens at http://{host}:{port} (stop: Ctrl+C)", file=sys.stderr, flush=True)
        listening(f"http://{host}:{port}")

    with listener, ExitStack() as log:
        if isinstance(settings, ServerSettings) and settings.log_impressions is not None:
            log.enter_context(agreed_on_learning(settings.log_impressions, learn=settings.learn))
        if settings.workers == 1:
            _serve_single(settings, listener, announce)
        else:
            _serve_workers(settings, listener, announce)


def check_folders(settings: ServiceSettings) -> None:
    """Find out before anything is made or read that a folder is missing or of another kind.

    What else may be wrong with it shows when it is read, which is before an address is announced.

    Raises
    ------
    TailrankError
        If one is.
    """
    if isinstance(settings, ServerSettings):
        for model in (settings.model, settings.challenger, *settings.beside.values()):
            if model is not None:
                model_manifest(model)
        if "://" not in settings.state:
            from tailrank.state.environment import check_folder

            check_folder(Path(settings.state).expanduser())
    for task in settings.tasks.values():
        check_there(task, TASK, ModelError)
    if settings.support is not None:
        check_there(settings.support, DESK, ModelError)
    if settings.monitor is not None:
        check_there(settings.monitor, MONITOR, DataError)


class _AnnouncingServer(uvicorn.Server):
    """Announces itself once the application is open: until then, it may find that it can't be."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _serve_single(settings: ServiceSettings, listener: socket.socket, announce: Callable[[], None]) -> None:
    app = _make_app(settings)
    try:
        _AnnouncingServer(_uvicorn_config(lambda: app, 1), announce).run(sockets=[listener])
    finally:
        if app.failure is not None:
            raise app.failure


def _serve_workers(settings: ServiceSettings, listener: socket.socket, announce: Callable[[], None]) -> None:
    # What keeps every worker from starting is found here, once, and not by each of them again and again.
    if isinstance(settings, ServerSettings):
        _check_models(settings)
    ServedTasks.read(settings.tasks, settings.support, settings.monitor, Encoders())
    if settings.monitor_inbox is not None:
        Inbox(settings.monitor_inbox)
    with tempfile.TemporaryDirectory(prefix="tailrank-shared-") as folder:
        os.environ[SHARED_FOLDER] = folder
        config = _uvicorn_config(partial(_make_app, settings), settings.workers)
        announce()
        Multiprocess(config, sockets=[listener]).run()


def _check_models(settings: ServerSettings) -> None:
    """Read models and state; raises TailrankError if they can't be used."""
    steps, _ = held_steps(settings.policies.steps)
    served = LoadedModel.load(settings.model, standing=steps)
    if settings.story is not None:
        check_story(settings.story, served.reranker)
    if settings.learn:
        check_learnable(served.reranker.fusion, served.name)
    for other in (settings.challenger, *settings.beside.values()):
        if other is not None:
            LoadedModel.load(other, standing=steps)
    asyncio.run(open_state(settings.state, settings.ttl_days).close())


def _make_app(settings: ServiceSettings) -> App:
    """Make one worker's application."""
    start_logging()
    if (supervisor := parent_process()) is not None:
        Thread(target=_stop_after, args=(supervisor,), daemon=True).start()
    return RankingApp(settings) if isinstance(settings, ServerSettings) else TaskApp(settings)


def _stop_after(supervisor: BaseProcess) -> None:
    """Stop if the supervisor was killed: nobody else could, and this worker would keep the address."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _uvicorn_config(app: object, workers: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=True,
        workers=workers,
        http=BoundedProtocol,
        loop="auto",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # anybody can write these: the caller is who is connected
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_worker_healthcheck=START_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address; raises RequestError if it is in use, or not this machine's."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as why:
        raise RequestError(
            f"--host {host} --port {port}: can't listen there ({why.strerror or why}): choose another port"
        ) from None
