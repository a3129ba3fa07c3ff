"""Valkey or Redis servers of one's own, on free ports, as durable as they can be."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from valkey import Valkey

from bench.waiting import wait_until
from tailrank.benchmarks.launcher import free_port

BINARY = shutil.which("valkey-server") or shutil.which("redis-server")
"""None if neither is installed."""

IN_MEMORY: Final = "--appendonly", "no"
"""Options of a server that isn't killed: it waits for no disk."""

SLOTS: Final = 16_384
"""Of a cluster: each key is in one."""


class Server:
    """A server with its files in a folder, and further options; runs until the end of a `with`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start, and wait until it has read its files and answers."""
        if BINARY is None:
            raise SystemExit("neither valkey-server nor redis-server is installed")
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command = [BINARY, *options, *durable, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            wait_until(self._answers, 30, f"{BINARY} did not start")
        except SystemExit:
            self.kill()
            raise

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as line:
            line.sendall(b"PING\r\n")
            answer = line.recv(64)  # an error, too, if a password is wanted
            return bool(answer) and not answer.startswith(b"-LOADING")
        return False

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()


class Cluster:
    """Servers that share the keys; they run until the end of a `with`.

    Parameters
    ----------
    folder
        Of their files.
    primaries, replicas
        How many, and how many of each; the primaries come first in `servers`, then a replica of each.
    options
        Further ones of each server.
    """

    NODE_TIMEOUT_MS: Final = 1_000
    """After which a server that doesn't answer counts as failed."""

    def __init__(self, folder: Path, primaries: int = 3, replicas: int = 1, *options: str) -> None:
        self.servers: list[Server] = []
        try:
            for n in range(primaries * (1 + replicas)):
                place, bus = folder / str(n), str(free_port())
                place.mkdir(parents=True)
                timeout = "--cluster-node-timeout", str(self.NODE_TIMEOUT_MS)
                at_once = "--repl-diskless-sync-delay", "0"  # a replica needn't wait for others to join it
                how = "--cluster-enabled", "yes", "--cluster-port", bus, *timeout, *at_once, *options
                self.servers.append(Server(place, *how))
            self._join(primaries)
        except BaseException:
            self.close()
            raise
        self.url = self.servers[0].url

    def client(self, n: int) -> Any:
        """Connect to a server as an administrator does: a `Valkey`, whose methods have few types."""
        return Valkey(port=self.servers[n].port)

    def owner(self, slot: int) -> int:
        """Find the primary of a slot, as the last server that lives knows it.

        Raises
        ------
        LookupError
            If there is none.
        """
        ports = [server.port for server in self.servers]
        with self.client(
            max(n for n, server in enumerate(self.servers) if server.process.poll() is None)
        ) as one:
            for first, last, (_, port, *_), *_ in one.execute_command("CLUSTER SLOTS"):
                if first <= slot <= last:
                    return ports.index(port)
        raise LookupError(f"no server has slot {slot}")

    def move_slot(self, slot: int, target: int) -> Iterator[None]:
        """Hand a slot over as `valkey-cli --cluster reshard` does; between its steps, both have a part."""
        with self.client(self.owner(slot)) as old, self.client(target) as new:
            old_id, new_id = (client.execute_command("CLUSTER MYID").decode() for client in (old, new))
            new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", old_id)
            old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", new_id)
            yield
            while keys := old.execute_command("CLUSTER GETKEYSINSLOT", slot, 1):
                old.execute_command("MIGRATE", "127.0.0.1", self.servers[target].port, keys[0], 0, 5000)
                yield
            for client in (new, old):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", new_id)

    def close(self) -> None:
        """End them all."""
        for server in self.servers:
            server.kill()

    def _join(self, primaries: int) -> None:
        """Give the primaries their slots, and let each replica follow one."""
        clients = [self.client(n) for n in range(len(self.servers))]
        ids = [client.execute_command("CLUSTER MYID").decode() for client in clients]
        for n, client in enumerate(clients):
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
            if n < primaries:
                first, end = (round(SLOTS * at / primaries) for at in (n, n + 1))
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
            bus = self.servers[n].options[3]
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", self.servers[n].port, bus)
        wait_until(lambda: all(len(client.cluster("NODES")) == len(clients) for client in clients), 30)
        for n in range(primaries, len(clients)):
            clients[n].execute_command("CLUSTER REPLICATE", ids[n % primaries])
        wait_until(lambda: all(client.cluster("INFO")["cluster_state"] == "ok" for client in clients), 30)
        following = [client.info for client in clients[primaries:]]
        wait_until(lambda: all(i("replication")["master_link_status"] == "up" for i in following), 30)
        for client in clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
