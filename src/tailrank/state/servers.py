"""`Servers`: sends commands to a Valkey or Redis server or, in a cluster, to those that have the keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeAlias

from valkey.asyncio import Valkey
from valkey.crc import key_slot
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import NoScriptError, ValkeyError

from tailrank.state.server_url import ServerUrl

ATTEMPTS: Final = 6
"""How often a command is sent while a cluster's servers hand its key over."""

PAUSE: Final = 0.02
"""Seconds to wait while the keys of one command are on two servers."""

REFRESH_AFTER: Final = 0.1
"""Seconds between two looks at a cluster that changes."""

REFRESH_EVERY: Final = 10.0
"""Seconds after which to look whether a server got a replica."""

REPLICA_MS: Final = 300
"""Milliseconds in which a replica has to confirm what was written."""

FAILURES: Final = ValkeyError, OSError, RuntimeError
"""What a server out of reach raises; the last by uvloop, of a connection lost before a write."""

Address: TypeAlias = tuple[str, int]
Command: TypeAlias = tuple[Any, ...]


class NotReplicated(ValkeyError):  # noqa: N818
    """A server wrote, but its replica hasn't confirmed it in time."""


@dataclass(slots=True, eq=False)
class _Job:
    """A command, what came of it, and the server that it was redirected to while its key moves there."""

    command: Command
    answer: Any = None
    asked: Address | None = None


class Servers:
    """One server, or a cluster of which the URL names any server.

    Parameters
    ----------
    url
        Of the server.
    scripts
        What EVALSHA names, by hash. A server that doesn't know a script is sent its text.
    """

    def __init__(self, url: ServerUrl, scripts: dict[str, bytes]) -> None:
        self._url, self._scripts = url, scripts
        self._first: Address = url.host, url.port
        self._clients: dict[Address, Valkey] = {}
        self._owners: dict[int, Address] = {}
        """Who has which slot; empty if the server is none of a cluster."""
        self._replicated: dict[Address, bool] = {}
        self._looked, self._refreshed, self._refreshing = False, 0.0, asyncio.Lock()

    async def execute(self, commands: Iterable[Command], *, write: bool = False) -> list[Any]:
        """Send commands, each with one key or several of one slot; returns their answers, errors among them.

        What was answered isn't sent again, so a script counts right although another one had to be sent
        twice. Where a server of a cluster has a replica, a write is answered once the replica has it.
        """
        jobs = [_Job(command) for command in commands]
        try:
            await self._execute(jobs, write)
        except asyncio.CancelledError:  # it took too long: somebody else may have the keys by now
            self._looked = False
            raise
        return [job.answer for job in jobs]

    async def _execute(self, jobs: Sequence[_Job], write: bool) -> None:
        is_old = bool(self._owners) and time.monotonic() > self._refreshed + REFRESH_EVERY
        if not self._looked or (write and is_old):
            await self._refresh()
        left: Collection[_Job] = jobs
        for _ in range(ATTEMPTS):
            by_server: dict[tuple[Address, bool], list[_Job]] = {}
            for job in left:
                server = job.asked or self._owner(job.command)
                by_server.setdefault((server, job.asked is not None), []).append(job)
            await asyncio.gather(*(self._send(*where, some, write) for where, some in by_server.items()))
            failed = [job for job in left if isinstance(job.answer, Exception)]
            left = [job for job in failed if await self._has_remedy(job)]
            if not left:
                break

    async def everywhere(self, *command: Any) -> list[Any]:
        """Send a command to every server that has keys; returns their answers, errors among them."""
        jobs = {address: _Job(command) for address in {*self._owners.values()} or {self._first}}
        await asyncio.gather(*(self._send(address, False, [job], False) for address, job in jobs.items()))
        return [job.answer for job in jobs.values()]

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    def _owner(self, command: Command) -> Address:
        """Find the server of a command's key."""
        if not self._owners:
            return self._first
        key = command[3] if command[0] in {"EVALSHA", "EVAL"} else command[1]
        return self._owners.get(key_slot(key if isinstance(key, bytes) else key.encode()), self._first)

    async def _send(self, server: Address, asking: bool, jobs: Sequence[_Job], write: bool) -> None:
        """Send commands to one server, and note the answers."""
        commands = [job.command for job in jobs]
        if asking:
            commands = list(chain.from_iterable((("ASKING",), command) for command in commands))
        try:
            confirmed = write and bool(self._owners) and await self._has_replica(server)
            wait: list[Command] = [("WAIT", 1, REPLICA_MS)] if confirmed else []
            answers = await self._answers(server, commands + wait)
            if confirmed:
                await self._check_confirmed(server, answers.pop())
            answers = answers[1::2] if asking else answers
        except FAILURES as error:
            answers = [error] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            job.answer = answer

    async def _answers(self, server: Address, commands: Iterable[Command]) -> list[Any]:
        async with self._client(server).pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

    async def _has_replica(self, server: Address) -> bool:
        """Whether a replica is connected to a server that is written to."""
        if server not in self._replicated:
            [info] = await self._answers(server, [("INFO", "replication")])
            self._replicated[server] = isinstance(info, dict) and info.get("connected_slaves", 0) > 0
        return self._replicated[server]

    async def _check_confirmed(self, server: Address, replicas: int | Exception) -> None:
        """Raise if no replica confirmed what was written, unless the server has lost the last one."""
        if isinstance(replicas, Exception):
            raise replicas
        if replicas == 0:
            self._replicated.pop(server, None)
            if await self._has_replica(server):
                raise NotReplicated

    async def _has_remedy(self, job: _Job) -> bool:
        """Whether to send a command again, changed or elsewhere."""
        kind, _, where = str(job.answer).partition(" ")
        before, job.asked = job.asked or self._owner(job.command), None
        if isinstance(job.answer, NoScriptError):
            job.command = ("EVAL", self._scripts[job.command[1]], *job.command[2:])
        elif kind in {"MOVED", "ASK"}:
            slot, _, named = where.partition(" ")
            host, _, port = named.rpartition(":")
            address = host or before[0], int(port)
            if kind == "ASK":
                job.asked = address
            else:
                await self._refresh()
                self._owners[int(slot)] = address
        elif kind == "TRYAGAIN":
            await asyncio.sleep(PAUSE)
        elif self._owners and (kind == "CLUSTERDOWN" or isinstance(job.answer, (Unreachable, OSError))):
            await self._refresh()
            return self._owner(job.command) != before
        else:
            return False
        return True

    async def _refresh(self) -> None:
        """Ask the servers who has which slot, unless that was just done; the first answer counts."""
        async with self._refreshing:
            if time.monotonic() < self._refreshed + REFRESH_AFTER:
                return
            known = dict.fromkeys([*self._owners.values(), *self._clients, self._first])
            looks = [asyncio.create_task(self._slots(address)) for address in known]
            try:
                for look in asyncio.as_completed(looks):
                    slots, asked = await look
                    if slots is not None:
                        self._looked = True
                        await self._learn(slots, asked)
                        break
            finally:
                for task in looks:
                    task.cancel()
                self._refreshed = time.monotonic()

    async def _slots(self, server: Address) -> tuple[list[Any] | None, str]:
        """Ask a server; gives nothing if it is none of a cluster, None if it doesn't answer."""
        try:
            [slots] = await self._answers(server, [("CLUSTER", "SLOTS")])
        except FAILURES:
            return None, server[0]
        return slots if isinstance(slots, list) else [], server[0]

    async def _learn(self, slots: Sequence[Any], asked: str) -> None:
        """Note who has which slot; leave servers that have none."""
        self._owners, self._replicated = {}, {}
        for first, last, (host, port, *_), *_ in slots:
            self._owners.update(
                dict.fromkeys(range(first, last + 1), ((host or b"").decode() or asked, int(port)))
            )
        for gone in self._clients.keys() - {*self._owners.values(), self._first}:
            await self._clients.pop(gone).aclose()

    def _client(self, server: Address) -> Valkey:
        if server not in self._clients:
            self._clients[server] = self._url.client(*server)
        return self._clients[server]
