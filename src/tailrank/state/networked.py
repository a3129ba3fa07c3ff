"""`NetworkedState`: a Valkey or Redis server that many machines share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from itertools import chain
from struct import Struct
from typing import Any, Final
from urllib.parse import urlsplit

from valkey.asyncio import BlockingConnectionPool, Valkey, ValkeyCluster
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import NoScriptError, ResponseError, ValkeyError

from tailrank.data.histories import History
from tailrank.state.base import EVENTS_PER_USER, ItemChange, StateError, StoredEvent, UserSnapshot
from tailrank.state.checks import DIGEST_BYTES, CheckedEvent, check_events, expiry_time, id_bytes
from tailrank.state.item_changes import PAGE_SIZE, Page, decode_change, encode_changes, read_pages

TIMEOUT: Final = 1.0
"""Seconds after which a server that doesn't answer is given up."""

MAX_CONNECTIONS: Final = 64
EVENT_HEAD: Final = Struct(">HIH")
USER_PREFIX: Final = b"tailrank:user:"
ITEM_KEYS: Final = ("tailrank:{items}:version", "tailrank:{items}:latest", "tailrank:{items}:order")
VERSION_KEY: Final = ITEM_KEYS[0]

FILES: Final = ("append.lua", "change_items.lua", "item_changes.lua")
SCRIPTS: Final = [files("tailrank.state").joinpath(name).read_bytes() for name in FILES]
"""What the server runs, known to it by its hash."""

APPEND, CHANGE_ITEMS, ITEM_CHANGES = (sha1(text, usedforsecurity=False).hexdigest() for text in SCRIPTS)
_REMEDIES: Final = {
    "OutOfMemoryError": "its memory is full: raise maxmemory, or keep events for fewer days",
    "MISCONF": "it can't write to its disk: free some space there",
    "ReadOnlyError": "it is a replica: name the primary",
    "WRONGTYPE": "something else uses its keys: name another database number",
    "AuthenticationError": "it refuses the password, or wants one: correct the URL",
    "NoPermissionError": "the user of the URL may not do this: allow commands and scripts on tailrank:*",
    "BusyLoadingError": "it is still reading its files: wait",
    "TimeoutError": f"no answer within {TIMEOUT:g} s: check the server",
}


class NetworkedState:
    """`State` on a Valkey or Redis server, plain, without modules.

    One server, or a cluster of which the URL names any server.

    Each user is one list of at most `EVENTS_PER_USER` events with the names in them, so that no key needs
    another one: what a fail-over loses of one user never changes another's events. One script per user
    stores events; no command touches keys of two slots.

    What `append` has returned is as durable as the server makes it: on disk with `appendonly yes` and
    `appendfsync always`; with `everysec`, a crash may lose the last second. A `maxmemory-policy` other than
    `noeviction` drops events when memory is short. An `append` that fails may have stored the events of some
    users: sent again, it completes.

    Lost connections are reopened. A server that is down costs a call at most `TIMEOUT`, then `StateError`.

    Parameters
    ----------
    url
        `redis://`, `valkey://`, or with TLS `rediss://`, `valkeys://`.
    ttl
        Seconds after which events expire: they are no longer read, and removed with the user's next event
        or when all have expired. None keeps them.

    Raises
    ------
    StateError
        If the URL makes no sense.
    """

    def __init__(self, url: str, ttl: float | None = None) -> None:
        self._ttl, self._url, self._address = ttl, url, _address(url)
        self._options: dict[str, Any] = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 1),
            "retry_on_error": [Unreachable],
        }
        if urlsplit(url).scheme in {"rediss", "valkeys"}:
            self._options["ssl_check_hostname"] = True
        pool = BlockingConnectionPool.from_url(
            url, max_connections=MAX_CONNECTIONS, timeout=TIMEOUT, **self._options
        )
        self._client: Valkey | ValkeyCluster = Valkey.from_pool(pool)

    async def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events, as `State.append`."""
        oldest = expiry_time(self._ttl)
        by_user: dict[bytes, list[bytes]] = {}
        for event in check_events(events, oldest):
            by_user.setdefault(event.user_key, []).append(_encode_event(event))
        if not by_user:
            return 0
        ttl = 0 if self._ttl is None else round(self._ttl * 1000)
        script = "EVALSHA", APPEND, 1
        commands = [
            (*script, USER_PREFIX + user, EVENTS_PER_USER, oldest, ttl, *encoded)
            for user, encoded in by_user.items()
        ]
        return sum(await self._execute(*commands))

    async def read(self, user_id: str) -> UserSnapshot:
        """Read a user's history, as `State.read`."""
        key = USER_PREFIX + id_bytes(user_id, "user_id")
        encoded, version = await self._execute(("LRANGE", key, 0, -1), ("GET", VERSION_KEY))
        history, oldest = History([], [], []), expiry_time(self._ttl)
        for event in encoded:
            high, low, length = EVENT_HEAD.unpack_from(event)
            if (time := high << 32 | low) >= oldest:
                type_end = EVENT_HEAD.size + length
                history.items.append(event[type_end + DIGEST_BYTES :].decode())
                history.events.append(event[EVENT_HEAD.size : type_end].decode())
                history.times.append(time / 1000)
        return UserSnapshot(history, int(version or 0))

    async def erase(self, user_id: str) -> bool:
        """Delete a user's events, as `State.erase`."""
        (erased,) = await self._execute(("DEL", USER_PREFIX + id_bytes(user_id, "user_id")))
        return bool(erased)

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        """Store item changes, as `State.change_items`."""
        arguments = chain.from_iterable(encode_changes(changes))
        (version,) = await self._execute(("EVALSHA", CHANGE_ITEMS, 3, *ITEM_KEYS, *arguments))
        return int(version)

    async def item_changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Return the changes after a version, as `State.item_changes`."""
        return await read_pages(self._read_page, since)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read_page(self, since: int) -> Page:
        command = "EVALSHA", ITEM_CHANGES, 3, *ITEM_KEYS, since, PAGE_SIZE
        ((version, *page),) = await self._execute(command)
        return version, list(zip(page[::2], map(decode_change, page[1::2]), strict=True))

    async def _execute(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands together; returns their answers.

        Sending them again is always safe: that is how lost connections, and servers that don't know the
        scripts, are dealt with.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                answers = await self._send(commands)
                # MOVED: the server is part of a cluster, and another one has the key.
                if any(isinstance(a, ResponseError) and str(a).startswith("MOVED") for a in answers):
                    await self._join_cluster()
                    answers = await self._send(commands)
                if any(isinstance(answer, NoScriptError) for answer in answers):
                    for script in SCRIPTS:
                        await self._client.script_load(script)
                    answers = await self._send(commands)
        except (ValkeyError, OSError) as error:
            raise self._state_error(error) from None
        for answer in answers:
            if isinstance(answer, ValkeyError):
                raise self._state_error(answer)
        return answers

    async def _join_cluster(self) -> None:
        """Connect to all servers of the cluster that the named server is part of."""
        if isinstance(self._client, Valkey):
            single, self._client = self._client, ValkeyCluster.from_url(self._url, **self._options)
            await single.aclose()

    async def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

    def _state_error(self, error: Exception) -> StateError:
        message = str(error)
        remedy = _REMEDIES.get(type(error).__name__) or _REMEDIES.get(message.partition(" ")[0])
        remedy = remedy or f"{message}: start the server, or correct the address"
        return StateError(f"{self._address}: {remedy}")


def _address(url: str) -> str:
    """Check a URL, and return it without its password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise StateError(f"state: {error} in the address: name redis://HOST:PORT/NUMBER") from None
    if not parts.hostname or not re.fullmatch(r"/?[0-9]*", parts.path):
        raise StateError(f"state: no address of a server at {parts.scheme}://: name redis://HOST:PORT/NUMBER")
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path}"


def _encode_event(event: CheckedEvent) -> bytes:
    event_type = event.event_type.encode()
    head = EVENT_HEAD.pack(event.time >> 32, event.time & 0xFFFFFFFF, len(event_type))
    return b"".join((head, event_type, event.digest, event.item_id.encode()))
