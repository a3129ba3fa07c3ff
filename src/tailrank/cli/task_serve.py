"""`tailrank task serve`: tasks over HTTP, without a model that ranks."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tailrank.cli import service_options
from tailrank.errors import RequestError, needs


def serve(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=FOLDER]...", help="What `tailrank task train` wrote, by its name."),
    ] = None,
    support: service_options.Support = None,
    monitor: service_options.Monitor = None,
    monitor_inbox: service_options.MonitorInbox = None,
    host: service_options.Host = "127.0.0.1",
    port: service_options.Port = 8000,
    workers: service_options.Workers = 1,
    keys: service_options.Keys = None,
    rate_limit: service_options.RateLimit = None,
    queue_ms: service_options.QueueMs = 12.0,
    body_mb: service_options.BodyMb = 4.0,
    access_log: service_options.AccessLog = False,
    traces: service_options.Traces = False,
) -> None:
    """Serve tasks, a support desk and a monitor over HTTP, where nothing is ranked."""
    with needs("task serve", "server"):
        from tailrank.server.auth import load_keys
        from tailrank.server.served_tasks import named_folders
        from tailrank.server.service_settings import ServiceSettings
        from tailrank.server.serving import serve as run
    if not tasks and (support, monitor, monitor_inbox) == (None, None, None):
        raise RequestError(
            "nothing to serve: give NAME=FOLDER of a task, such as intents=intents, or --support or --monitor"
        )
    run(
        ServiceSettings(
            host=host,
            port=port,
            workers=workers,
            keys=load_keys(keys, os.environ),
            rate_limit=rate_limit,
            queue_ms=queue_ms,
            body_mb=body_mb,
            access_log=access_log,
            traces=traces,
            tasks=named_folders("task", tasks or []),
            support=support,
            monitor=monitor,
            monitor_inbox=monitor_inbox,
        )
    )
