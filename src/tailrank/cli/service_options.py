"""Options of commands that serve over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen at; others than this machine's need keys.")]
Port = Annotated[int, typer.Option(help="Port; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(help="Processes; one a core.")]
Keys = Annotated[
    Path | None, typer.Option(help="File of API keys, one a line: read:KEY, write:KEY, read+write:KEY.")
]
RateLimit = Annotated[
    float | None, typer.Option(help="Requests a second for each key or, without keys, each address.")
]
QueueMs = Annotated[float, typer.Option(help="Refuse requests that waited longer in a long line, with 429.")]
BodyMb = Annotated[float, typer.Option(help="Largest body of a request, in MB.")]
Support = Annotated[
    Path | None, typer.Option(help="Of `tailrank support train`: a desk that answers customers.")
]
Monitor = Annotated[
    Path | None,
    typer.Option(help="Folder of `tailrank monitor run`, which goes on: its alerts at /tasks."),
]
MonitorInbox = Annotated[
    Path | None, typer.Option(help="Folder for texts that a monitor follows; without it, none are taken.")
]
AccessLog = Annotated[bool, typer.Option("--access-log", help="Log every request.")]
Traces = Annotated[
    bool, typer.Option("--traces", help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT.")
]
