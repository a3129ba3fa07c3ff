"""`KafkaTopic`: a topic of Kafka, or of what speaks its protocol, read by a consumer group."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tailrank.errors import RequestError
from tailrank.state.base import StateError
from tailrank.state.kafka_url import KafkaUrl
from tailrank.state.stream import Entry

COUNT: Final = 512
"""Records that are read at once, at most."""

TIMEOUT: Final = 10.0
"""Seconds to wait for an answer of a broker."""

DEALT_WITHIN: Final = 60.0
"""Seconds to wait for partitions; brokers deal them again once a consumer comes or goes."""

SESSION_MS: Final = 6_000
"""Milliseconds of silence after which a consumer counts as gone: the least that brokers take by default. A
thread of the client's own keeps in touch, so that slow work is no silence."""

_LISTEN: Final = 0.3
"""Seconds to wait for records at once."""

NO_VALUE: Final = "has no value: put the whole event there, as JSON"

_NO_BROKER: Final = "no broker answers: start them, or correct the address, kafkas:// if they want TLS"

_REMEDIES: Final = {
    KafkaError._ALL_BROKERS_DOWN: _NO_BROKER,
    KafkaError._AUTHENTICATION: "it refuses the user, the password or the mechanism: correct the address",
    KafkaError._RESOLVE: "there is no such host: correct the address",
    KafkaError._SSL: "the TLS connection fails: check ssl.ca.location and that the port is one with TLS",
    KafkaError._TIMED_OUT: _NO_BROKER,
    KafkaError._TRANSPORT: _NO_BROKER,
    KafkaError._UNKNOWN_TOPIC: "there is no such topic: make it, or correct its name",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the user may not read in this group: allow it",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the user may not read this topic: allow it",
    KafkaError.TOPIC_EXCEPTION: "no topic can have this name: correct it",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic: make it, or correct its name",
}

_PASSING: Final = (KafkaError._MAX_POLL_EXCEEDED, KafkaError._TRANSPORT, KafkaError._TIMED_OUT)
"""Of what the client tells: it mends these itself, or says so if no broker is left."""


class Place(NamedTuple):
    """Where a record is in a topic."""

    partition: int
    offset: int


class KafkaTopic:
    """A topic, and the group that reads it.

    Brokers deal the partitions of a topic to the consumers of a group, those of one that is gone to others.
    What is finished is committed; whatever else was read is read again by whoever has its partition next.

    Parameters
    ----------
    url
        As `KafkaUrl` takes it.
    group
        Name of the consumer group.
    consumer
        How brokers name the client in their logs.

    Raises
    ------
    RequestError, StateError
        If the URL makes no sense, or names a file that can't be read.
    """

    def __init__(self, url: str, group: str, consumer: str) -> None:
        self._url = KafkaUrl.parse(url)
        if not group:
            raise RequestError(f"{self._url}: the group has no name: --group NAME")
        self.name = str(self._url)
        self._unfinished = list[Entry]()
        self._partitions: set[int] | None = None  # none are known until a broker has dealt them
        self._ended = set[int]()
        self._trouble: KafkaError | None = None
        settings = {
            **self._url.settings,
            "group.id": group,
            "client.id": consumer,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": SESSION_MS // 3,
            "socket.timeout.ms": round(1e3 * TIMEOUT),
            "allow.auto.create.topics": False,
            "log_level": 0,  # what concerns a user is told, once
            "error_cb": self._hear,
            "on_commit": self._committed,
        }
        try:
            self._client = Consumer(settings)
        except KafkaException as error:
            raise StateError(f"{self._url}: {error.args[0].str()}: correct the address") from None
        self._has_joined = False

    async def create_group(self) -> None:
        """Join the group, which the brokers make if there is none, to read the topic from its start.

        Raises
        ------
        StateError
            If no broker can be reached, or there is no such topic.
        """
        await asyncio.to_thread(self._join)

    async def new(self, block_ms: int | None = None) -> list[Entry]:
        """Read what nobody of the group has read; if there is nothing, wait so long for it.

        Without a time, wait until the brokers have said that nothing is left for this consumer.
        """
        if block_ms is not None:
            return await asyncio.to_thread(self._read, 1e-3 * block_ms)
        until = time.monotonic() + DEALT_WITHIN
        while self._partitions is not None or time.monotonic() < until:
            found = await asyncio.to_thread(self._read, _LISTEN)
            if found or (self._partitions is not None and self._partitions <= self._ended):
                return found
        why = "see what the brokers, or other consumers of its group, wait for"
        raise StateError(f"{self._url}: no partitions were dealt to it within {DEALT_WITHIN:g} s: {why}")

    async def unfinished(self) -> list[Entry]:
        """Give again what this consumer has read and not acknowledged, some of it."""
        return self._unfinished[:COUNT]

    async def abandoned(self, idle_seconds: float) -> list[Entry]:
        """Give nothing: a broker deals the partitions of a consumer that is gone to others."""
        return []

    async def acknowledge(self, places: Sequence[Place]) -> None:
        """Commit what is finished, by its places; partitions that went to others are left to them.

        This doesn't wait for the brokers, who may hang. A commit that fails costs nothing: the next one goes
        as far, or else records are read again, and known.
        """
        ends = {place.partition: place.offset + 1 for place in places}
        offsets = [
            TopicPartition(self._url.topic, partition, end)
            for partition, end in ends.items()
            if partition in (self._partitions or ())
        ]
        if offsets:
            self._client.commit(offsets=offsets, asynchronous=True)
        finished = set(places)
        self._unfinished = [each for each in self._unfinished if each.id not in finished]

    async def close(self) -> None:
        """Leave the group; brokers that hang are waited for no longer than `TIMEOUT`."""
        closing = threading.Thread(target=self._client.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, TIMEOUT)

    def _join(self) -> None:
        self._trouble = None
        try:
            topics = self._client.list_topics(self._url.topic, TIMEOUT / 2).topics
        except KafkaException as error:
            self._keep(self._client.poll(0))  # it tells why
            raise self._error(self._trouble or error.args[0]) from None
        if fault := topics[self._url.topic].error:
            raise self._error(fault)
        if not self._has_joined:
            self._client.subscribe([self._url.topic], on_assign=self._assign, on_revoke=self._revoke)
            self._has_joined = True

    def _read(self, seconds: float) -> list[Entry]:
        self._keep(self._client.poll(seconds))
        self._keep(*self._client.consume(COUNT - 1, 0))
        if self._trouble:
            raise self._error(self._trouble)
        return self._unfinished[:]

    def _keep(self, *messages: Message | None) -> None:
        for message in messages:
            if message is None:
                continue
            error, place = message.error(), Place(message.partition() or 0, message.offset() or 0)
            if error is None and place.partition in (self._partitions or ()):
                self._unfinished.append(_entry(place, message.value()))
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                self._ended.add(place.partition)
            elif error is not None:
                self._hear(error)

    def _hear(self, error: KafkaError) -> None:
        if error.code() not in _PASSING:
            self._trouble = error

    def _committed(self, error: KafkaError | None, _: object) -> None:
        if error is not None and error.code() in _REMEDIES:
            self._hear(error)

    def _assign(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._partitions = {each.partition for each in partitions}
        self._ended.clear()

    def _revoke(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._partitions = None
        self._unfinished.clear()  # whoever has the partitions next reads it again

    def _error(self, error: KafkaError) -> StateError:
        remedy = _REMEDIES.get(error.code()) or f"{error.str()}: start the brokers, or correct the address"
        return StateError(f"{self._url}: {remedy}")


def _entry(place: Place, value: str | bytes | None) -> Entry:
    content = value.encode() if isinstance(value, str) else value or b""
    return Entry(place, f"partition {place.partition}, offset {place.offset}", content, NO_VALUE)
