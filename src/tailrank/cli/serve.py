"""`tailrank serve`, `state load` and `compact`: the real-time server, and the state that it keeps."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from tailrank.cli import options, service_options
from tailrank.cli.progress import progress_bars
from tailrank.data.readers import read_events
from tailrank.errors import needs
from tailrank.screening.screen import Screen

State = Annotated[
    str,
    typer.Option(
        envvar="TAILRANK_STATE",
        callback=options.location,
        help="Where events are kept: a folder, or redis://… (Valkey, Redis); @FILE: what it says.",
    ),
]
TtlDays = Annotated[float | None, typer.Option(help="Forget events after so many days.")]

state_app = typer.Typer(no_args_is_help=True, help="What a server knows of its users.")


def serve(
    model: Annotated[Path, typer.Option(help="Model folder; replaced meanwhile, the new one serves.")],
    state: State,
    host: service_options.Host = "127.0.0.1",
    port: service_options.Port = 8000,
    workers: service_options.Workers = 1,
    keys: service_options.Keys = None,
    rate_limit: service_options.RateLimit = None,
    ttl_days: TtlDays = None,
    seed_from: Annotated[
        str | None,
        typer.Option(help="Data whose users are known from the start: first `tailrank state load`."),
    ] = None,
    queue_ms: service_options.QueueMs = 12.0,
    body_mb: service_options.BodyMb = 4.0,
    log_impressions: Annotated[
        Path | None, typer.Option(help="Folder to log rankings and events in, to learn from; else none are.")
    ] = None,
    log_days: Annotated[float, typer.Option(help="Days that the log of impressions keeps.")] = 30.0,
    log_gb: Annotated[float, typer.Option(help="Gigabytes of disk that it may take.")] = 10.0,
    challenger: Annotated[
        Path | None, typer.Option(help="Model folder to compare it with, live; see docs/experiments.md.")
    ] = None,
    compare: Annotated[
        Literal["interleave", "split"],
        typer.Option(help="Whether each list is made of both rankings, or each user sees those of one."),
    ] = "interleave",
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Model that requests may name and the page at / shows beside; may be repeated.",
        ),
    ] = None,
    policies: options.Policies = None,
    screen: Annotated[
        Path | None, typer.Option(help="Of `tailrank screen train`: holds items that are put for review.")
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Let clicks move the weights of signals; needs --log-impressions.")
    ] = False,
    explore: Annotated[
        Literal["thompson", "ucb"] | None,
        typer.Option(help="With --learn: also show what would tell more, by draws or by upper bounds."),
    ] = None,
    explore_moves: Annotated[int, typer.Option(help="Ranks that an item may move by that.")] = 5,
    explore_tail: Annotated[int, typer.Option(help="Of the first ten, how many may go to rare items.")] = 2,
    story: Annotated[
        Path | None, typer.Option(help="JSON file of users that the page at / begins with; see docs/page.md.")
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="metrics.json of `evaluate --frontier …`: what policies cost, for that page."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Of `tailrank task train`: labels texts; may be repeated."),
    ] = None,
    support: service_options.Support = None,
    monitor: service_options.Monitor = None,
    monitor_inbox: service_options.MonitorInbox = None,
    access_log: service_options.AccessLog = False,
    traces: service_options.Traces = False,
) -> None:
    """Serve a model over HTTP: events in, rankings out."""
    with needs("serve", "server"):
        from tailrank.server.auth import load_keys
        from tailrank.server.page_files import read_prices, read_story
        from tailrank.server.served_tasks import named_folders
        from tailrank.server.serving import check_folders
        from tailrank.server.serving import serve as run
        from tailrank.server.settings import ServerSettings
    settings = ServerSettings(
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
        log_impressions=log_impressions,
        log_days=log_days,
        log_gb=log_gb,
        learn=learn,
        explore=explore,
        explore_moves=explore_moves,
        explore_tail=explore_tail,
        access_log=access_log,
        traces=traces,
        challenger=challenger,
        compare=compare,
        beside=named_folders("--beside", beside or []),
        policies=options.policies(policies),
        screen=None if screen is None else Screen.read(screen),
        story=None if story is None else read_story(story),
        prices=None if evaluation is None else read_prices(evaluation),
        tasks=named_folders("--task", task or []),
        support=support,
        monitor=monitor,
        monitor_inbox=monitor_inbox,
    )
    if seed_from is not None:
        check_folders(settings)  # before anything is loaded into a state
        load(state, seed_from, ttl_days)
    run(settings)


@state_app.command()
def load(state: State, data: options.Data, ttl_days: TtlDays = None) -> None:
    """Load users' latest events from a data folder into a state; what is there stays, and counts once."""
    with needs("state load", "server"):
        from tailrank.state.loading import load_events
    events = read_events(options.data_folder(data))
    with progress_bars() as progress:
        found = asyncio.run(load_events(state, events, ttl_days, progress))
    known = f"{found.users:,} users with {found.events:,} latest events, {found.new:,} of them new"
    typer.echo(f"{data}: {known}", err=True)
    for reason, n in found.left_out.items():
        typer.echo(f"events left out: {n:,} {reason}", err=True)


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
