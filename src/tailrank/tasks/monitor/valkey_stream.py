"""Texts from a stream of a Valkey or Redis server, read by a consumer group of the monitor's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final, Self

from tailrank.errors import RequestError
from tailrank.state.base import StateError
from tailrank.state.entry_stream import COUNT, FIELD, EntryStream
from tailrank.state.open import SERVER_SCHEMES
from tailrank.state.stream import Entry
from tailrank.tasks.monitor.inputs import TOO_LONG, Line, Place
from tailrank.tasks.monitor.stream_texts import MAX_LINE

NO_FIELD: Final = f"has other fields than `{FIELD}`: put the whole text there, as a line of JSON"

CONSUMER: Final = "monitor"
"""Name of the only one in the group."""


class EntryId(Place):
    """An entry of a stream: the two numbers of its id."""

    def __str__(self) -> str:
        return f"entry {self.id}"

    @property
    def id(self) -> str:
        """As the server writes it."""
        return f"{self.bytes}-{self.lines}"

    @classmethod
    def of(cls, written: bytes) -> Self:
        """Read what the server wrote."""
        milliseconds, _, number = written.partition(b"-")
        return cls(int(milliseconds), int(number))


class ValkeyStream:
    """Reads on in a stream.

    The monitor's own place counts: what the group says is set by it whenever reading begins, so that a
    state that was put back from a copy misses nothing. The group tells others how far it is.

    Parameters
    ----------
    url
        As `EntryStream` takes it.
    group
        Name of the consumer group: one for each monitor.

    Raises
    ------
    StateError, RequestError
        If the URL makes no sense.
    """

    def __init__(self, url: str, group: str) -> None:
        scheme = url.partition("://")[0]
        if scheme.lower() not in SERVER_SCHEMES:
            raise RequestError(
                f"texts from {scheme}://…: name a folder, - or redis://HOST:PORT/0?stream=NAME"
            )
        self._stream, self._runner = EntryStream(url, group, CONSUMER), asyncio.Runner()
        self.name, self._has_begun = self._stream.name, False

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._stream.close())
        self._runner.close()

    def batches(self, place: Place) -> Iterator[list[Line]]:
        """Give what is new, in batches; one is acknowledged when the next is asked for.

        Parameters
        ----------
        place
            How far it was read, as the monitor has it.

        Raises
        ------
        StateError
            If the server can't be reached, or refuses.
        """
        try:
            if not self._has_begun:
                self._runner.run(self._begin(EntryId(place.bytes, place.lines)))
                self._has_begun = True
            while entries := self._runner.run(self._stream.new()):
                yield [self._line(each) for each in entries]
                self._runner.run(self._stream.acknowledge([each.id for each in entries]))
        except StateError:
            self._has_begun = False
            raise

    async def _begin(self, place: EntryId) -> None:
        """Have the group read on behind a place, and acknowledge what a killed process didn't."""
        await self._stream.create_group()
        about: Any = await self._stream.do("xinfo_stream", self._stream.key)
        last = EntryId.of(about["last-generated-id"])
        place = place if place <= last else EntryId()  # another stream of that name is read from its start
        named = self._stream.key, self._stream.group
        await self._stream.do("xgroup_setid", *named, place.id)
        while known := await self._stream.do("xpending_range", *named, "-", place.id, COUNT):
            await self._stream.acknowledge([each["message_id"] for each in known])

    def _line(self, entry: Entry) -> Line:
        fault = NO_FIELD if not entry.content else TOO_LONG if len(entry.content) > MAX_LINE else ""
        return Line(self.name, entry.content, EntryId.of(entry.id), fault)
