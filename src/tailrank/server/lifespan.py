"""`Lifespan`: what one worker opens when the server starts, and closes when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeAlias

from tailrank.errors import TailrankError
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.records import CHALLENGER
from tailrank.feedback.roll_over_process import Retention
from tailrank.server.alerts import count_alerts, watch_log
from tailrank.server.encoding import Encoders
from tailrank.server.endpoints import Endpoints
from tailrank.server.experiment import LiveExperiment
from tailrank.server.exposure import SharedExposure, held_steps
from tailrank.server.learning import Learning, check_learnable
from tailrank.server.live import LivePage
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.page_files import check_story
from tailrank.server.served_tasks import ServedTasks
from tailrank.server.settings import ServerSettings
from tailrank.server.tracing import Tracer
from tailrank.state.open import open_state
from tailrank.tasks.monitor.inbox import Inbox

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

log = logging.getLogger("tailrank.server")


class Lifespan:
    """Everything behind the endpoints of one worker.

    Parameters
    ----------
    settings
        Of the server.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.tracer = Tracer() if settings.traces else None
        self.endpoints: Endpoints | None = None
        self.learning: Learning | None = None
        self.exposure: SharedExposure | None = None
        self.failure: TailrankError | None = None
        """Why the application could not start."""

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Open model and state when the server starts, and close them when it ends."""
        await receive()
        try:
            managers = await self._open()
        except TailrankError as why:
            self.failure = why
            await send({"type": "lifespan.startup.failed", "message": str(why)})
            return
        works = [work() for each in managers for work in (each.watch, each.warm)]
        works += [count_alerts(managers[0].state, self.metrics), *self._reading()]
        if self.exposure is not None:
            works.append(self.exposure.follow())
        background = [asyncio.create_task(work) for work in works]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        managers[0].encoders.close()
        if self.tracer:
            self.tracer.close()
        if self.endpoints is not None:
            await self.endpoints.shown.written()
            if self.endpoints.log is not None:
                await self.endpoints.log.close()
        await managers[0].state.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> list[ModelManager]:
        """Open everything; returns the managers of the model and of those beside it."""
        settings, encoders = self.settings, Encoders()
        state = open_state(settings.state, ttl_days=settings.ttl_days)
        folders = {CHALLENGER: settings.challenger} if settings.challenger is not None else {}
        steps, held = held_steps(settings.policies.steps)
        self.exposure = None if held is None else SharedExposure(held, state, self.metrics)
        rest = state, encoders, self.metrics, steps, settings.screen
        beside = {name: ModelManager(each, *rest) for name, each in {**folders, **settings.beside}.items()}
        managers = [ModelManager(settings.model, *rest), *beside.values()]
        for each in managers:
            await each.start()
        self.learning = self._learning(managers[0])
        weights = None if self.learning is None else self.learning.weights
        if settings.story is not None:
            check_story(settings.story, managers[0].served.reranker)
        tasks = await asyncio.to_thread(
            ServedTasks.read, settings.tasks, settings.support, settings.monitor, encoders
        )
        experiment = None
        if settings.challenger is not None:
            experiment = LiveExperiment(managers[0], beside[CHALLENGER], settings.compare)
        self.endpoints = Endpoints(
            managers[0],
            state,
            self.metrics,
            LivePage(settings, managers[0], state, self.metrics, weights),
            self._open_log(),
            experiment,
            settings.policies.version,
            settings.exploration,
            self.exposure,
            settings.story,
            settings.prices,
            tasks,
            beside,
            None if settings.monitor_inbox is None else Inbox(settings.monitor_inbox),
        )
        log.info("ready", extra={"model": managers[0].served.name, "pid": os.getpid()})
        return managers

    def _learning(self, manager: ModelManager) -> Learning | None:
        """Prepare to learn from the log, if that is wanted."""
        folder = self.settings.log_impressions
        if folder is None or not self.settings.learn:
            return None
        check_learnable(manager.offline, manager.served.name)
        return Learning(folder, self.settings.state, manager, self.metrics, self.settings.explore)

    def _reading(self) -> list[Coroutine[Any, Any, None]]:
        """Learn from the log, or watch it, if there is one."""
        if self.learning is not None:
            return [self.learning.follow(), self.learning.have_learned()]
        folder = self.settings.log_impressions
        return [] if folder is None else [watch_log(folder, self.settings.state)]

    def _open_log(self) -> ImpressionLog | None:
        folder = self.settings.log_impressions
        if folder is None:
            return None
        settings, metrics = self.settings, self.metrics
        retention = Retention(settings.log_days, settings.log_gb, read_only=settings.learn)
        return ImpressionLog(folder, retention, metrics.impressions_lost.inc, metrics.log_removed.inc)
