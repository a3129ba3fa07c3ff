"""A Valkey or Redis server of one's own, on a free port, as durable as it can be."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

from bench.waiting import wait_until
from tailrank.benchmarks.launcher import free_port

BINARY = shutil.which("valkey-server") or shutil.which("redis-server")
"""None if neither is installed."""


class Server:
    """A server with its files in a folder, and further options; runs until the end of a `with`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start, and wait until connections are accepted."""
        if BINARY is None:
            raise SystemExit("neither valkey-server nor redis-server is installed")
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command = [BINARY, *options, *durable, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            wait_until(self._accepts, 10, f"{BINARY} did not start")
        except SystemExit:
            self.kill()
            raise

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()
