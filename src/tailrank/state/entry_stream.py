"""`EntryStream`: a stream of a Valkey or Redis server, read by a consumer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from tailrank.errors import RequestError
from tailrank.state.open import SERVER_SCHEMES
from tailrank.state.server_trouble import server_trouble
from tailrank.state.server_url import ServerUrl
from tailrank.state.servers import FAILURES
from tailrank.state.stream import Entry

FIELD: Final = "json"
"""Of an entry, the only one."""

COUNT: Final = 512
"""Entries that are read at once, at most."""

_REMEDIES: Final = {
    "MovedError": "another server of the cluster has the stream: name that",
    "NoPermissionError": "its user needs xack, xautoclaim, xgroup, xinfo, xpending, xreadgroup on the stream",
    "WRONGTYPE": "what has this name is no stream: name another",
}


GONE: Final = "was deleted from the stream before it was stored: let the stream be longer (MAXLEN)"
NO_FIELD: Final = f"has other fields than `{FIELD}`: put the whole event there, as JSON"


class EntryStream:
    """A stream, and the group that reads it.

    Parameters
    ----------
    url
        Of the server, with `stream=NAME` behind the question mark; in a cluster, of the one that has the
        stream.
    group
        Name of the consumer group.
    consumer
        Who reads, in the group.

    Raises
    ------
    StateError, RequestError
        If the URL makes no sense.
    """

    def __init__(self, url: str, group: str, consumer: str) -> None:
        scheme = url.partition("://")[0]
        if scheme.lower() not in SERVER_SCHEMES:
            named = scheme if scheme.isalnum() and scheme != url else "…"  # which may be anything
            raise RequestError(
                f"a stream at {named}://…: name redis://HOST:PORT/0?stream=NAME or kafka://HOST:PORT?topic=NAME"
            )
        address, _, query = url.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in options if name != "stream"], safe="@/")
        self._url = ServerUrl.parse(f"{address}?{rest}" if rest else address)
        names = [value for name, value in options if name == "stream"]
        if len(names) != 1 or not names[0]:
            raise RequestError(f"{self._url}: name one stream: {self._url}?stream=NAME")
        self.name, self.key = f"{self._url}?stream={names[0]}", names[0]
        self.group, self._consumer = group, consumer
        self._client = self._url.client(self._url.host, self._url.port)

    async def create_group(self) -> None:
        """Make the group, if there is none, to read the stream from its start."""
        await self.do("xgroup_create", self.key, self.group, "0", mkstream=True)

    async def new(self, block_ms: int | None = None) -> list[Entry]:
        """Read what nobody of the group has read; if there is nothing, wait so long for it."""
        return await self._read(">", block_ms)

    async def unfinished(self) -> list[Entry]:
        """Read again what this consumer has read and not acknowledged."""
        return await self._read("0", None)

    async def abandoned(self, idle_seconds: float) -> list[Entry]:
        """Take over what a consumer read so long ago and didn't acknowledge."""
        idle = round(1e3 * idle_seconds)
        found = await self.do("xautoclaim", self.key, self.group, self._consumer, idle, count=COUNT)
        deleted = found[2] if len(found) > 2 else ()  # which servers before 7.0 don't tell
        return [*(_entry(*each) for each in found[1]), *(_entry(each, {}) for each in deleted)]

    async def acknowledge(self, entries: Sequence[bytes]) -> None:
        """Say that entries, by their ids, are finished."""
        if entries:
            await self.do("xack", self.key, self.group, *entries)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()

    async def do(self, command: str, *values: Any, **options: Any) -> Any:
        """Send a command, a method of the client; a group that is there already is none to make.

        Raises
        ------
        StateError
            If the server can't be reached, or refuses.
        """
        try:
            return await getattr(self._client, command)(*values, **options)
        except FAILURES as error:
            if str(error).startswith("BUSYGROUP"):
                return None
            raise server_trouble(self._url, error, _REMEDIES) from None

    async def _read(self, place: str, block_ms: int | None) -> list[Entry]:
        found = await self.do("xreadgroup", self.group, self._consumer, {self.key: place}, COUNT, block_ms)
        return [_entry(*each) for each in found[0][1]] if found else []


def _entry(name: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """Read what a server sent; there are no fields if it was deleted before this group had finished it."""
    content = fields.get(FIELD.encode(), b"") if len(fields) == 1 else b""
    return Entry(name, f"entry {name.decode()}", content, NO_FIELD if fields else GONE)
