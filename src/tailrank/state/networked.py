"""`NetworkedState`: a Valkey or Redis server that many machines share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from struct import Struct
from typing import Any, Final
from urllib.parse import urlsplit

from valkey.asyncio import BlockingConnectionPool, Valkey, ValkeyCluster
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import NoScriptError, ResponseError, ValkeyError

from tailrank.data.histories import History
from tailrank.state.base import KEPT, ItemChange, Read, StateError, UserEvent
from tailrank.state.changes import PAGE, Page, collect, pack, unpack
from tailrank.state.checks import DIGEST_BYTES, Checked, check_changes, check_events, id_bytes, oldest_kept

SECONDS: Final = 1.0
"""After which a server that doesn't answer is given up."""

CONNECTIONS: Final = 64
EVENT: Final = Struct(">HIH")
USER: Final = b"tailrank:user:"
ITEMS: Final = ("tailrank:{items}:version", "tailrank:{items}:latest", "tailrank:{items}:order")
VERSION: Final = ITEMS[0]


class _Script:
    """A script that the server runs, known to it by its hash."""

    def __init__(self, name: str) -> None:
        self.text = files("tailrank.state").joinpath(name).read_text()
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


APPEND, CHANGE, CHANGES = _Script("append.lua"), _Script("change.lua"), _Script("changes.lua")
_REMEDIES: Final = {
    "OutOfMemoryError": "its memory is full: raise maxmemory, or keep events for fewer days",
    "MISCONF": "it can't write to its disk: free some space there",
    "ReadOnlyError": "it is a replica: name the primary",
    "WRONGTYPE": "something else uses its keys: name another database number",
    "AuthenticationError": "it refuses the password, or wants one: correct the URL",
    "NoPermissionError": "the user of the URL may not do this: allow commands and scripts on tailrank:*",
    "BusyLoadingError": "it is still reading its files: wait",
    "TimeoutError": f"no answer within {SECONDS:g} s: look after the server",
}


class NetworkedState:
    """`State` on a Valkey or Redis server, plain, without modules.

    One server, or a cluster of which the URL names any server.

    Each person is one list of at most 50 events with the names in them, so that no key needs another one:
    what a fail-over loses of one person never changes what another one did. One script per person keeps
    events; no command touches keys of two slots.

    What `append` has returned is as durable as the server makes it: on disk with `appendonly yes` and
    `appendfsync always`; with `everysec`, the server's death may take the last second. A `maxmemory-policy`
    other than `noeviction` takes events away when memory is short. An `append` that fails may have kept the
    events of some people: sent again, it completes.

    Lost connections are made anew. A server that is down costs a call at most `SECONDS`, then `StateError`.

    Parameters
    ----------
    url
        `redis://`, `valkey://`, or with TLS `rediss://`, `valkeys://`.
    ttl
        Seconds after which events expire: they are no longer read, and removed with the person's next event
        or when all have expired. None keeps them.

    Raises
    ------
    StateError
        Where the URL makes no sense.
    """

    def __init__(self, url: str, ttl: float | None = None) -> None:
        self._ttl, self._url, self._place = ttl, url, _shown(url)
        self._options: dict[str, Any] = {
            "socket_timeout": SECONDS,
            "socket_connect_timeout": SECONDS,
            "retry": Retry(NoBackoff(), 1),
            "retry_on_error": [Unreachable],
        }
        if urlsplit(url).scheme in {"rediss", "valkeys"}:
            self._options["ssl_check_hostname"] = True
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=SECONDS, **self._options
        )
        self._client: Valkey | ValkeyCluster = Valkey.from_pool(pool)

    async def append(self, events: Sequence[UserEvent]) -> int:
        """Keep events, as `State.append`."""
        oldest = oldest_kept(self._ttl)
        people: dict[bytes, list[bytes]] = {}
        for event in check_events(events, oldest):
            people.setdefault(event.user, []).append(_packed(event))
        if not people:
            return 0
        ttl = 0 if self._ttl is None else round(self._ttl * 1000)
        script = "EVALSHA", APPEND.sha, 1
        commands = [(*script, USER + user, KEPT, oldest, ttl, *packed) for user, packed in people.items()]
        return sum(await self._ask(*commands))

    async def read(self, user_id: str) -> Read:
        """Read a person's past, as `State.read`."""
        key = USER + id_bytes(user_id, "user_id")
        packed, version = await self._ask(("LRANGE", key, 0, -1), ("GET", VERSION))
        past, oldest = History([], [], []), oldest_kept(self._ttl)
        for event in packed:
            high, low, length = EVENT.unpack_from(event)
            if (time := high << 32 | low) >= oldest:
                end = EVENT.size + length
                past.items.append(event[end + DIGEST_BYTES :].decode())
                past.events.append(event[EVENT.size : end].decode())
                past.times.append(time / 1000)
        return Read(past, int(version or 0))

    async def erase(self, user_id: str) -> bool:
        """Forget a person, as `State.erase`."""
        (erased,) = await self._ask(("DEL", USER + id_bytes(user_id, "user_id")))
        return bool(erased)

    async def change(self, changes: Sequence[ItemChange]) -> int:
        """Put or delete items, as `State.change`."""
        check_changes(changes)
        packed = [part for change in changes for part in (change.item_id, pack(change))]
        (version,) = await self._ask(("EVALSHA", CHANGE.sha, len(ITEMS), *ITEMS, *packed))
        return int(version)

    async def changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Give the items changed after a version, as `State.changes`."""
        return await collect(self._page, since)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _page(self, since: int) -> Page:
        ((version, *page),) = await self._ask(("EVALSHA", CHANGES.sha, len(ITEMS), *ITEMS, since, PAGE))
        return version, [(at, unpack(packed)) for at, packed in zip(page[::2], page[1::2], strict=True)]

    async def _ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands together; gives their answers.

        Sending them again is always right: that is what a lost connection, and a server that doesn't know
        the scripts, asks for.
        """
        try:
            async with asyncio.timeout(SECONDS):
                answers = await self._send(commands)
                if any(map(_is_moved, answers)):
                    await self._join_cluster()
                    answers = await self._send(commands)
                if any(isinstance(answer, NoScriptError) for answer in answers):
                    for script in (APPEND, CHANGE, CHANGES):
                        await self._client.script_load(script.text)
                    answers = await self._send(commands)
        except (ValkeyError, OSError) as error:
            raise self._explained(error) from None
        for answer in answers:
            if isinstance(answer, ValkeyError):
                raise self._explained(answer)
        return answers

    async def _join_cluster(self) -> None:
        """Speak to all servers of a cluster: the one that was named belongs to it."""
        if isinstance(self._client, Valkey):
            single, self._client = self._client, ValkeyCluster.from_url(self._url, **self._options)
            await single.aclose()

    async def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

    def _explained(self, error: Exception) -> StateError:
        said = str(error)
        remedy = _REMEDIES.get(type(error).__name__) or _REMEDIES.get(said.partition(" ")[0])
        return StateError(f"{self._place}: {remedy or f'{said}: start the server, or correct the address'}")


def _is_moved(answer: object) -> bool:
    """Tell whether the server belongs to a cluster and another one has the key."""
    return isinstance(answer, ResponseError) and str(answer).startswith("MOVED")


def _shown(url: str) -> str:
    """Check a URL, and give it without its password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise StateError(f"state: {error} in the address: name redis://HOST:PORT/NUMBER") from None
    if not parts.hostname or not re.fullmatch(r"/?[0-9]*", parts.path):
        raise StateError(f"state: no address of a server at {parts.scheme}://: name redis://HOST:PORT/NUMBER")
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _packed(event: Checked) -> bytes:
    kind = event.event.encode()
    head = EVENT.pack(event.time >> 32, event.time & 0xFFFFFFFF, len(kind))
    return b"".join((head, kind, event.digest, event.item.encode()))
