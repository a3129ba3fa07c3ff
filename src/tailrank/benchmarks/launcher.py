"""A server in a process and on a core of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tailrank.benchmarks.connection import Connection, request
from tailrank.errors import RequestError

PATIENCE: Final = 60
"""Seconds until a server must be ready, or must have ended."""

_ADDRESS: Final = re.compile(r"listens at http://[\d.]+:(\d+)")


@dataclass(frozen=True)
class Running:
    """A server that is ready.

    Attributes
    ----------
    port
        On this machine.
    process
        The worker, or the supervisor of several.
    """

    port: int
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def resident(self) -> dict[str, float]:
        """Read what the process holds, in MB: its own, and pages of files, which the system may take back."""
        try:
            said = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            raise RequestError("memory is read from /proc: run this on Linux") from None
        found = {name: int(kb) / 1000 for name, kb in re.findall(r"Rss(Anon|File):\s+(\d+) kB", said)}
        return {"own_mb": found["Anon"], "files_mb": found["File"]}


@contextmanager
def running(model: Path, state: Path, *options: str) -> Iterator[Running]:
    """Run `tailrank serve` on a free port, and move this process to another core meanwhile.

    One worker has one core. Where there is only one, or the system can't tell, nothing is moved.

    Raises
    ------
    RequestError
        Where it doesn't get ready, or didn't end well.
    """
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "serve", "--model", str(model), "--state", str(state), "--port", "0", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    core, clients = (None, None) if "--workers" in options else cores()
    with tempfile.TemporaryFile() as said, pinned(clients):
        with pinned(core):
            process = subprocess.Popen(command, stderr=said, env=environment)  # noqa: S603 - our own command
        try:
            yield Running(_ready(process, said), process)
        finally:
            process.terminate()
            process.wait(PATIENCE)
        if process.returncode not in (0, -signal.SIGKILL):
            raise RequestError(f"the server ended with {process.returncode}: {_read(said)}")


def _ready(process: subprocess.Popen[bytes], said: IO[bytes]) -> int:
    """Wait until a ranking works and encoders are loaded, so that nothing else runs; gives the port."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = _ADDRESS.search(_read(said))
        if found is not None:
            port = int(found[1])
            connection = Connection(port)
            if connection.exchange(request("/readyz"))[0] == 200:
                connection.exchange(request("/v1/rerank", b'{"query":"tea","documents":["tea"]}'))
                connection.close()
                return port
        time.sleep(0.02)
    raise RequestError(f"the server isn't ready: {_read(said)}")


def _read(said: IO[bytes]) -> str:
    return os.pread(said.fileno(), 1 << 16, 0).decode(errors="replace")


def cores() -> tuple[int, int] | tuple[None, None]:
    """Choose a core for the server, and another one for its clients; None where that can't be."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (None, None)


def worker_of(server: Running, connection: Connection) -> int:
    """Find the process that holds the other end of a connection.

    Raises
    ------
    RequestError
        Where the system doesn't tell.
    """
    connection.exchange(request("/healthz"))
    ends = [f":{connection.socket.getsockname()[1]:04X}", f":{server.port:04X}"]
    try:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        pid = server.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        [node] = [line[9] for line in lines if line[1].endswith(ends[1]) and line[2].endswith(ends[0])]
        return next(int(w) for w in workers if f"socket:[{node}]" in _links(w))
    except (OSError, ValueError, StopIteration):
        raise RequestError("workers are told apart by /proc: run this on Linux") from None


def _links(process: str) -> set[str]:
    """List what a process has open, but for what it closes meanwhile."""
    found = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(descriptor))
    return found


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Stay on one core, with every process that is started meanwhile; None goes where the system likes."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
