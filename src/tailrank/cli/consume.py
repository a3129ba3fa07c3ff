"""`tailrank consume`: events from a stream into the state of servers."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from tailrank.cli import options
from tailrank.cli.serve import State, TtlDays
from tailrank.errors import needs
from tailrank.state.kafka_url import is_kafka

if TYPE_CHECKING:
    from tailrank.state.stream import Stream


def consume(
    stream: Annotated[
        str,
        typer.Option(
            envvar="TAILRANK_STREAM",
            callback=options.location,
            help="Where events come from: valkey://HOST/0?stream=NAME (Valkey, Redis), "
            "kafka://HOST:PORT?topic=NAME; @FILE: what it says.",
        ),
    ],
    state: State,
    group: Annotated[str, typer.Option(help="Consumer group that shares the stream.")] = "tailrank",
    consumer: Annotated[
        str | None, typer.Option(help="Its name in the group, another one for each; else the machine's.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left.")] = False,
    ttl_days: TtlDays = None,
) -> None:
    """Store events of a stream, each once, until stopped; what a killed one had begun is done again."""
    with needs("consume", "server"):
        from tailrank.server.consuming import Consumer
        from tailrank.state.open import open_state

    def tell(what: str) -> None:
        typer.echo(what, err=True)

    async def run() -> Consumer:
        entries = _open(stream, group, consumer or socket.gethostname())
        stored = open_state(state, ttl_days)
        try:
            found = Consumer(entries, stored, tell)
            await (found.catch_up() if once else found.run(_stopped()))
            return found
        finally:
            await entries.close()
            await stored.close()

    tell(", ".join(f"{n:,} {what}" for what, n in asyncio.run(run()).counts.items()))


def _open(url: str, group: str, consumer: str) -> Stream:
    if is_kafka(url):
        with needs("Kafka", "kafka"):
            from tailrank.state.kafka_topic import KafkaTopic
        return KafkaTopic(url, group, consumer)
    from tailrank.state.entry_stream import EntryStream

    return EntryStream(url, group, consumer)


def _stopped() -> asyncio.Event:
    """Give what is set once the process is told to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for told in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(told, stop.set)
    return stop
