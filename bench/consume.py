"""How many events a second `tailrank consume` stores, from a stream of Valkey and a topic of Kafka."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from valkey import Valkey

from bench import kafka
from bench.valkey import Server
from tailrank.machine import machine
from tailrank.server.consuming import Consumer
from tailrank.state.entry_stream import EntryStream
from tailrank.state.kafka_topic import KafkaTopic
from tailrank.state.open import open_state
from tailrank.state.stream import Stream

USERS: Final = 10_000
PARTITIONS: Final = 4


def main(
    events: Annotated[int, typer.Option(min=1)] = 100_000, rounds: Annotated[int, typer.Option(min=1)] = 3
) -> None:
    """Fill both, and read each into a folder and into a server, with a group of its own each time."""
    print(*(f"{name} {value}" for name, value in machine().items()), sep=", ")
    with filled(events) as streams:
        for round_ in range(rounds):
            for name, opened in streams.items():
                with tempfile.TemporaryDirectory() as folder:
                    asyncio.run(consume(f"{name} into a folder", opened(f"a{round_}"), folder))
                with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
                    asyncio.run(consume(f"{name} into a server", opened(f"b{round_}"), server.url))


@contextmanager
def filled(n_events: int) -> Iterator[dict[str, Callable[[str], Stream]]]:
    """Give, by queue, what opens the stream in a group."""
    events = [event(n) for n in range(n_events)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, broker = stack.enter_context(Server(folder)), stack.enter_context(kafka.Broker())
        topic = broker.make("events", PARTITIONS)
        broker.add("events", [(each["user_id"], json.dumps(each)) for each in events])
        with Valkey(port=server.port) as client, client.pipeline(transaction=False) as pipeline:
            for each in events:
                pipeline.xadd("events", {"json": json.dumps(each)})
            pipeline.execute()
        yield {
            "Valkey": lambda group: EntryStream(f"{server.url}?stream=events", group, "bench"),
            "Kafka": lambda group: KafkaTopic(topic, group, "bench"),
        }


def event(n: int) -> dict[str, Any]:
    """Make the n-th event."""
    item, at = str(n % 997), 1_764_072_000 + n
    return {
        "event_id": f"e{n}",
        "user_id": f"u{n % USERS}",
        "item_id": item,
        "event": "click",
        "timestamp": at,
    }


async def consume(what: str, stream: Stream, location: str) -> None:
    """Read all of it, and print how fast; the time until partitions are dealt isn't counted."""
    state = open_state(location)
    consumer = Consumer(stream, state, print)
    await stream.create_group()
    await stream.new()
    began, busy = time.perf_counter(), time.process_time()
    await consumer.catch_up()
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    stored = consumer.counts["stored"]
    print(f"{what}: {stored:,} stored, {stored / seconds:,.0f}/s, {stored / busy:,.0f} a core-second")
    await stream.close()
    await state.close()
