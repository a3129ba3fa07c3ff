"""`NetworkedState`: a Valkey or Redis server that many machines share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from itertools import chain
from typing import Any, Final

import numpy as np

from tailrank.bounds import LISTS_SHOWN
from tailrank.data.histories import History
from tailrank.state.base import (
    EVENTS_PER_USER,
    ItemChange,
    ShownList,
    StateError,
    StoredEvent,
    UserSnapshot,
)
from tailrank.state.bulk import SECOND, BulkHistories
from tailrank.state.checks import check_events, expiry_time, id_bytes, latest_time, without_future
from tailrank.state.item_changes import PAGE_SIZE, Page, decode_change, encode_changes, read_pages
from tailrank.state.list_element import decode_event, encode_event, encode_histories, split_history
from tailrank.state.server_trouble import server_trouble
from tailrank.state.server_url import TIMEOUT, ServerUrl
from tailrank.state.servers import Command, Servers
from tailrank.state.shown_lists import encode_shown, kept_seconds, times_shown

USER_PREFIX: Final = b"tailrank:user:"
SHOWN_PREFIX: Final = b"tailrank:shown:"
ITEM_KEYS: Final = ("tailrank:{items}:version", "tailrank:{items}:latest", "tailrank:{items}:order")
VERSION_KEY: Final = ITEM_KEYS[0]
NOTES_PREFIX: Final = "tailrank:notes:"

FILES: Final = ("append.lua", "load.lua", "change_items.lua", "item_changes.lua")
SCRIPTS: Final = {
    sha1(text, usedforsecurity=False).hexdigest(): text
    for text in (files("tailrank.state").joinpath(name).read_bytes() for name in FILES)
}
"""What the servers run, by the hash that names it to them."""

APPEND, LOAD, CHANGE_ITEMS, ITEM_CHANGES = SCRIPTS
LOG_EVERY: Final = 60.0
"""Seconds between two warnings that something stored makes no sense."""

log = logging.getLogger(__name__)


class NetworkedState:
    """`State` on a Valkey or Redis server, plain, without modules.

    One server, or a cluster of which the URL names any server.

    Each user is one list of at most `EVENTS_PER_USER` events with the names in them, so that no key needs
    another one: what a fail-over loses of one user never changes another's events. One script per user
    stores events; no command touches keys of two slots.

    What `append` has returned is as durable as the server makes it: on disk with `appendonly yes` and
    `appendfsync always`; with `everysec`, a crash may lose the last second. A `maxmemory-policy` other than
    `noeviction` drops events when memory is short; the log warns of it. If a server of a cluster has a
    replica, both have what was acknowledged. An `append` that fails may have stored the events of some users:
    sent again, it completes.

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
        self._ttl, self._url = ttl, ServerUrl.parse(url)
        self._ttl_ms = 0 if ttl is None else round(ttl * 1000)
        self._servers = Servers(self._url, SCRIPTS)
        self._began, self._warned = False, 0.0

    async def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events, as `State.append`."""
        by_user: dict[bytes, list[bytes]] = {}
        for event in check_events(events, expiry_time(self._ttl)):
            by_user.setdefault(event.user_key, []).append(encode_event(event))
        return await self._append(by_user)

    async def load(self, bulk: BulkHistories) -> int:
        """Store whole histories, as `State.load`."""
        histories = list(encode_histories(bulk))
        latest = bulk.times[bulk.offsets[1:] - 1]
        expires = (latest + self._ttl_ms if self._ttl_ms else np.zeros_like(latest)).tolist()
        commands = [
            ("EVALSHA", LOAD, 1, USER_PREFIX + user, end, history)
            for user, end, history in zip(bulk.user_keys, expires, histories, strict=True)
        ]
        stored, left = 0, dict[bytes, list[bytes]]()
        answers = await self._execute(*commands, write=True)
        for user, history, answer in zip(bulk.user_keys, histories, answers, strict=True):
            if isinstance(answer, int):
                stored += answer
            else:
                events = list(split_history(history))
                left[user] = events if bulk.have_ids else _without_known(events, answer)
        return stored + await self._append({user: events for user, events in left.items() if events})

    async def _append(self, by_user: Mapping[bytes, Sequence[bytes]]) -> int:
        """Merge encoded events into the lists of their users."""
        if not by_user:
            return 0
        settings = EVENTS_PER_USER, expiry_time(self._ttl), self._ttl_ms, latest_time()
        commands = [
            ("EVALSHA", APPEND, 1, USER_PREFIX + user, *settings, *encoded)
            for user, encoded in by_user.items()
        ]
        return sum(await self._execute(*commands, write=True))

    def read_at_once(self, user_id: str) -> None:
        """Read nothing: the network has to be waited for."""

    async def read(self, user_id: str) -> UserSnapshot:
        """Read a user's history, as `State.read`."""
        key = USER_PREFIX + id_bytes(user_id, "user_id")
        encoded, version = await self._execute(("LRANGE", key, 0, -1), ("GET", VERSION_KEY))
        decoded = [event for event in map(decode_event, encoded) if event is not None]
        if len(decoded) < len(encoded):
            self._warn(f"{len(encoded) - len(decoded)} elements of a user's list are no events: left out")
        latest, oldest = latest_time(), expiry_time(self._ttl)
        times = without_future([event[2] for event in decoded], latest, latest)
        history = History([], [], [])
        for (item, event_type, _), time_ms in zip(decoded, times, strict=True):
            if time_ms >= oldest:
                history.items.append(item)
                history.events.append(event_type)
                history.times.append(time_ms / 1000)
        return UserSnapshot(history, int(version or 0))

    async def erase(self, user_id: str) -> bool:
        """Delete what is stored of a user, as `State.erase`."""
        user = id_bytes(user_id, "user_id")
        erased = await self._execute(("DEL", USER_PREFIX + user), ("DEL", SHOWN_PREFIX + user), write=True)
        return any(erased)

    async def add_shown(self, lists: Sequence[ShownList]) -> None:
        """Store what users were shown, as `State.add_shown`."""
        milliseconds = round(kept_seconds(self._ttl) * 1000)
        keys = [SHOWN_PREFIX + id_bytes(each.user_id, "user_id") for each in lists]
        encoded = zip(keys, map(encode_shown, lists), strict=True)
        commands: list[Command] = [("RPUSH", key, each) for key, each in encoded]
        commands += [("LTRIM", key, -LISTS_SHOWN, -1) for key in keys]
        commands += [("PEXPIRE", key, milliseconds) for key in keys]
        await self._execute(*commands, write=True)

    async def shown(self, user_id: str) -> dict[str, list[float]]:
        """Say when a user was shown each item, as `State.shown`."""
        key = SHOWN_PREFIX + id_bytes(user_id, "user_id")
        (encoded,) = await self._execute(("LRANGE", key, 0, -1))
        return times_shown(encoded, kept_seconds(self._ttl))

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        """Store item changes, as `State.change_items`."""
        arguments = chain.from_iterable(encode_changes(changes))
        (version,) = await self._execute(("EVALSHA", CHANGE_ITEMS, 3, *ITEM_KEYS, *arguments), write=True)
        return int(version)

    async def item_changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Return the changes after a version, as `State.item_changes`."""
        return await read_pages(self._read_page, since)

    async def put_note(self, kind: str, name: str, value: bytes) -> None:
        """Store a note, as `State.put_note`."""
        await self._execute(("HSET", NOTES_PREFIX + kind, id_bytes(name, "name"), value), write=True)

    async def notes(self, kind: str) -> dict[str, bytes]:
        """Read all notes of a kind, as `State.notes`."""
        (found,) = await self._execute(("HGETALL", NOTES_PREFIX + kind))
        return {name.decode(): found[name] for name in sorted(found)}

    async def close(self) -> None:
        """Close the connections."""
        await self._servers.close()

    async def _read_page(self, since: int) -> Page:
        command = "EVALSHA", ITEM_CHANGES, 3, *ITEM_KEYS, since, PAGE_SIZE
        ((version, *page),) = await self._execute(command)
        changes = [self._decode_change(change) for change in page[1::2]]
        return version, list(zip(page[::2], changes, strict=True))

    def _decode_change(self, encoded: bytes | None) -> ItemChange | None:
        """Decode a change; None if the server evicted it, or something else wrote in its place."""
        try:
            if encoded is not None:
                return decode_change(encoded)
        except StateError:
            pass
        self._warn("a change of an item was evicted or overwritten: put the items again that lack it")
        return None

    async def _execute(self, *commands: Command, write: bool = False) -> list[Any]:
        """Send commands together; returns their answers. Sending them again is always safe."""
        try:
            async with asyncio.timeout(TIMEOUT):
                answers = await self._servers.execute(commands, write=write)
        except OSError as error:
            raise server_trouble(self._url, error) from None
        for answer in answers:
            if isinstance(answer, Exception):
                raise server_trouble(self._url, answer)
        if not self._began:
            self._began = True
            await self._warn_of_eviction()
        return answers

    async def _warn_of_eviction(self) -> None:
        """Warn if a server drops what it has when memory is short; if it doesn't say so, nothing is said."""
        drops = ("allkeys",) if self._ttl is None else ("allkeys", "volatile")
        with suppress(OSError):
            async with asyncio.timeout(TIMEOUT):
                found = await self._servers.everywhere("INFO", "memory")
            policies = {info.get("maxmemory_policy", "") for info in found if isinstance(info, dict)}
            for policy in sorted(policy for policy in policies if policy.startswith(drops)):
                what = "drops users' events silently when memory is short: set noeviction"
                log.warning("%s: its maxmemory-policy %s %s", self._url, policy, what)

    def _warn(self, what: str) -> None:
        if time.monotonic() >= self._warned + LOG_EVERY or not self._warned:
            self._warned = time.monotonic()
            log.warning("%s: %s", self._url, what)


def _without_known(events: Sequence[bytes], stored: Sequence[bytes]) -> list[bytes]:
    known = {_moment(event) for event in stored}
    return [event for event in events if _moment(event) not in known]


def _moment(encoded: bytes) -> tuple[str, str, int] | None:
    """Return an event's item, type and second; None if these bytes are no event."""
    event = decode_event(encoded)
    return event and (event[0], event[1], event[2] // SECOND)
