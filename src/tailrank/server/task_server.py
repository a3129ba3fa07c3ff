"""A server without a model: it labels texts, answers customers, and shows a monitor."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import ClassVar, Final

from tailrank.server.app import App
from tailrank.server.basic_endpoints import BasicEndpoints
from tailrank.server.call import Call
from tailrank.server.encoding import Encoders
from tailrank.server.exchange import Answer
from tailrank.server.inbox_endpoints import InboxEndpoints
from tailrank.server.metrics import Metrics
from tailrank.server.monitor_endpoints import MonitorEndpoints
from tailrank.server.pages import page
from tailrank.server.route import Route
from tailrank.server.routes import ROUTES
from tailrank.server.served_tasks import ServedTasks
from tailrank.server.service_settings import ServiceSettings
from tailrank.server.task_endpoints import TaskEndpoints
from tailrank.tasks.monitor.inbox import Inbox

HOME: Final = Route("GET", "/", "tasks_page", None, "The same as /tasks.", media_type="text/html")

log = logging.getLogger("tailrank.server")


class TaskServerEndpoints(BasicEndpoints, TaskEndpoints, MonitorEndpoints, InboxEndpoints):
    """Everything that a client can request of such a server.

    Parameters
    ----------
    served
        What labels texts, answers customers, and shows what a monitor found.
    encoders
        Those of the server.
    inbox
        Keeps texts for the opinion monitor; None if there is none.
    metrics
        Where answers are counted.
    """

    routes: ClassVar[tuple[Route, ...]]

    def __init__(
        self, served: ServedTasks, encoders: Encoders, inbox: Inbox | None, metrics: Metrics
    ) -> None:
        TaskEndpoints.__init__(self, served, encoders)
        MonitorEndpoints.__init__(self, served.monitor)
        InboxEndpoints.__init__(self, inbox)
        self._metrics = metrics

    def tasks_page(self, _: Call) -> Answer:
        """Show the page of tasks, of the support desk and of the monitor."""
        return page("tasks", has_tasks=True, ranks=False)

    def ready(self, _: Call) -> Answer:
        """Say that all tasks were read, and their encoders with them: without that it doesn't start."""
        return Answer(b'{"status":"ready"}')

    def scrape(self, _: Call) -> Answer:
        """Give the metrics."""
        body, media_type = self._metrics.exposition()
        return Answer(body, media_type=media_type.encode())


TaskServerEndpoints.routes = (*(r for r in ROUTES if hasattr(TaskServerEndpoints, r.endpoint)), HOME)


class TaskApp(App):
    """The application of one worker of such a server.

    Parameters
    ----------
    settings
        Of the server.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings, TaskServerEndpoints)
        self._settings, self._encoders = settings, Encoders()

    async def _open(self) -> None:
        settings = self._settings
        served = await asyncio.to_thread(
            ServedTasks.read, settings.tasks, settings.support, settings.monitor, self._encoders
        )
        inbox = None if settings.monitor_inbox is None else Inbox(settings.monitor_inbox)
        self.endpoints = TaskServerEndpoints(served, self._encoders, inbox, self.metrics)
        log.info("ready", extra={"tasks": list(served.tasks), "pid": os.getpid()})

    async def _close(self) -> None:
        self._encoders.close()
