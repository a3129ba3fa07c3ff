"""Texts from a stream of a Valkey or Redis server, read by a consumer group of the monitor's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

from tailrank.errors import RequestError
from tailrank.state.open import SERVER_SCHEMES
from tailrank.state.server_trouble import server_trouble
from tailrank.state.server_url import ServerUrl
from tailrank.state.servers import FAILURES
from tailrank.tasks.monitor.inputs import TOO_LONG, Line, Place
from tailrank.tasks.monitor.stream_texts import MAX_LINE

FIELD: Final = "json"
"""Of an entry: holds the same as a line of a file."""

COUNT: Final = 512
"""Entries that are read at once, at most."""

NO_FIELD: Final = f"has other fields than `{FIELD}`: put the whole text there, as a line of JSON"

_REMEDIES: Final = {
    "MovedError": "another server of the cluster has the stream: name that",
    "NoPermissionError": "its user needs xgroup, xinfo, xpending, xreadgroup and xack on the stream",
    "WRONGTYPE": "what has this name is no stream: name another",
}

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
        Of the server, with `stream=NAME` behind the question mark; in a cluster, of the one that has the
        stream.
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
        address, _, query = url.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in options if name != "stream"], safe="@/")
        self._url = ServerUrl.parse(f"{address}?{rest}" if rest else address)
        names = [value for name, value in options if name == "stream"]
        if len(names) != 1 or not names[0]:
            raise RequestError(f"{self._url}: name one stream: {self._url}?stream=NAME")
        self.name, self._stream, self._group = f"{self._url}?stream={names[0]}", names[0], group
        self._client, self._runner = self._url.client(self._url.host, self._url.port), asyncio.Runner()
        self._has_begun = False

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.run(self._client.aclose())
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
        if not self._has_begun:
            self._begin(EntryId(place.bytes, place.lines))
        while entries := self._read():
            yield [self._line(EntryId.of(one), fields) for one, fields in entries]
            self._do("xack", self._stream, self._group, *(one for one, _ in entries))

    def _begin(self, place: EntryId) -> None:
        """Have the group read on behind a place, and acknowledge what a killed process didn't."""
        self._do("xgroup_create", self._stream, self._group, "0", mkstream=True)
        last = EntryId.of(self._do("xinfo_stream", self._stream)["last-generated-id"])
        place = place if place <= last else EntryId()  # another stream of that name is read from its start
        self._do("xgroup_setid", self._stream, self._group, place.id)
        while known := self._do("xpending_range", self._stream, self._group, "-", place.id, COUNT):
            self._do("xack", self._stream, self._group, *(each["message_id"] for each in known))
        self._has_begun = True

    def _read(self) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
        found = self._do("xreadgroup", self._group, CONSUMER, {self._stream: ">"}, COUNT)
        return found[0][1] if found else []

    def _line(self, place: EntryId, fields: Mapping[bytes, bytes]) -> Line:
        content = fields.get(FIELD.encode(), b"")
        fault = TOO_LONG if len(content) > MAX_LINE else "" if len(fields) == 1 and content else NO_FIELD
        return Line(self.name, content, place, fault)

    def _do(self, command: str, *values: Any, **options: Any) -> Any:
        """Send a command, and wait for the answer; a group that is there already is none to make."""

        async def answer() -> Any:
            return await getattr(self._client, command)(*values, **options)

        try:
            return self._runner.run(answer())
        except FAILURES as error:
            if str(error).startswith("BUSYGROUP"):
                return None
            self._has_begun = False
            raise server_trouble(self._url, error, _REMEDIES) from None
