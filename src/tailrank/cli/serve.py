"""`tailrank serve` and `tailrank compact`: the real-time server, and the state that it keeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tailrank.cli import options
from tailrank.errors import needs


def serve(
    model: Annotated[Path, typer.Option(help="Model folder; replaced meanwhile, the new one serves.")],
    state: Annotated[
        str,
        typer.Option(
            envvar="TAILRANK_STATE",
            callback=options.location,
            help="Where events are kept: a folder, or redis://… (Valkey, Redis); @FILE: what it says.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; one a core.")] = 1,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys, one a line: read:KEY, write:KEY, read+write:KEY.")
    ] = None,
    rate_limit: Annotated[
        float | None, typer.Option(help="Requests a second for each key or, without keys, each address.")
    ] = None,
    ttl_days: Annotated[float | None, typer.Option(help="Forget events after so many days.")] = None,
    queue_ms: Annotated[float, typer.Option(help="Refuse requests that waited longer, with 429.")] = 12.0,
    body_mb: Annotated[float, typer.Option(help="Largest body of a request, in MB.")] = 4.0,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log every request.")] = False,
    traces: Annotated[
        bool, typer.Option("--traces", help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT.")
    ] = False,
) -> None:
    """Serve a model over HTTP: events in, rankings out."""
    with needs("serve", "server"):
        from tailrank.server.auth import load_keys
        from tailrank.server.serving import serve as run
        from tailrank.server.settings import ServerSettings
    run(
        ServerSettings(
            model=model,
            state=state,
            host=host,
            port=port,
            workers=workers,
            keys=load_keys(keys, os.environ),
            rate_limit=rate_limit,
            ttl_days=ttl_days,
            queue_ms=queue_ms,
            body_mb=body_mb,
            access_log=access_log,
            traces=traces,
        )
    )


def compact(
    state: Annotated[Path, typer.Argument(help="State folder of a server that doesn't run.")],
    ttl_days: Annotated[
        float | None, typer.Option(min=0, help="Leave out events that are older; else none.")
    ] = None,
) -> None:
    """Rewrite a state folder: a third smaller, without expired events and deleted bytes."""
    with needs("compact", "server"):
        from tailrank.state.compaction import compact as rewrite
    before, after = rewrite(state, None if ttl_days is None else ttl_days * 86_400)
    typer.echo(f"{state}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")
