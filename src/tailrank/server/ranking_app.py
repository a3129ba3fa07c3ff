"""`RankingApp`: what one worker that ranks opens when the server starts, and closes when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any

from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.records import CHALLENGER
from tailrank.feedback.roll_over_process import Retention
from tailrank.server.alerts import count_alerts, watch_log
from tailrank.server.app import App
from tailrank.server.encoding import Encoders
from tailrank.server.endpoints import Endpoints
from tailrank.server.experiment import LiveExperiment
from tailrank.server.exposure import SharedExposure, held_steps
from tailrank.server.learning import Learning, check_learnable
from tailrank.server.live import LivePage
from tailrank.server.model_manager import ModelManager
from tailrank.server.page_files import check_story
from tailrank.server.served_tasks import ServedTasks
from tailrank.server.settings import ServerSettings
from tailrank.state.open import open_state
from tailrank.tasks.monitor.inbox import Inbox

log = logging.getLogger("tailrank.server")


class RankingApp(App):
    """The application of one worker that ranks.

    Parameters
    ----------
    settings
        Of the server.
    """

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings, Endpoints)
        self.settings = settings
        self.endpoints: Endpoints | None = None
        self.learning: Learning | None = None
        self.exposure: SharedExposure | None = None
        self._managers: list[ModelManager] = []
        """Of the model, and of those beside it."""
        self._background: list[asyncio.Task[None]] = []

    async def _close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._managers[0].encoders.close()
        if self.endpoints is not None:
            await self.endpoints.shown.written()
            if self.endpoints.log is not None:
                await self.endpoints.log.close()
        await self._managers[0].state.close()

    async def _open(self) -> None:
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
        works = [work() for each in managers for work in (each.watch, each.warm)]
        works += [count_alerts(state, self.metrics), *self._reading()]
        if self.exposure is not None:
            works.append(self.exposure.follow())
        self._managers, self._background = managers, [asyncio.create_task(work) for work in works]

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
