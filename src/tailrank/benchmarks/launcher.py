"""`tailrank serve` in a process of its own: for tests, benchmarks and runs of what may go wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tailrank.benchmarks.connection import HOST, OK, Connection, request
from tailrank.errors import RequestError

PATIENCE: Final = 180
"""Seconds until a server must be ready, or must have ended."""

_ADDRESS: Final = re.compile(r"listens at http://[\d.]+:(\d+)")


class Server:
    """A server that is ready, on a free port; it runs until the end of a `with`.

    It may be killed and started again, and keeps its port.

    Parameters
    ----------
    model, state
        As `tailrank serve` reads them.
    options
        Further options of `tailrank serve`.
    environment
        Variables beside those of this process.

    Raises
    ------
    RequestError
        If it doesn't get ready or, at the end of the `with`, didn't end well.
    """

    def __init__(self, model: Path, state: Path | str, *options: str, **environment: str) -> None:
        program = str(Path(sys.executable).with_name("tailrank"))
        self._command = [program, "serve", "--model", str(model), "--state", str(state), *options]
        # Threads that spin while they wait slow down everything beside them.
        threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._environment = {**os.environ, **threads, **environment}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the `with`
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start, and wait until a ranking works."""
        command = [*self._command, "--port", str(self.port)]
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            command, stderr=self._log, env=self._environment, start_new_session=True
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if self._ready():
                return
            time.sleep(0.02)
        self.kill()
        raise RequestError(f"the server isn't ready: {self.log()}")

    def _ready(self) -> bool:
        if not self.port:
            found = _ADDRESS.search(self.log())
            if found is None:
                return False
            self.port = int(found[1])
        try:
            connection = Connection(self.port)
            status, _ = connection.exchange(request("/readyz"))
            connection.close()
        except (OSError, RequestError):
            return False
        return status == OK

    def kill(self) -> None:
        """End it and its workers at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        """Read the latest 64 kB of what it wrote on its error stream."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), 1 << 16, max(0, size - (1 << 16))).decode(errors="replace")

    def workers(self) -> list[int]:
        """List the processes that answer requests."""
        main = self.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [int(child) for child in children if "spawn_main" in _command_line(child)] or [main]

    def worker_of(self, connection: Connection) -> int:
        """Find the process that holds the other end of a connection.

        Raises
        ------
        RequestError
            If the system doesn't tell.
        """
        connection.exchange(request("/healthz"))
        ends = [f":{connection.socket.getsockname()[1]:04X}", f":{self.port:04X}"]
        try:
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            [node] = [line[9] for line in lines if line[1].endswith(ends[1]) and line[2].endswith(ends[0])]
            return next(worker for worker in self.workers() if f"socket:[{node}]" in _links(worker))
        except (OSError, ValueError, StopIteration):
            raise RequestError("workers are distinguished by /proc: run this on Linux") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        if error is None and self.process.returncode not in {0, -signal.SIGKILL}:
            raise RequestError(f"the server ended with {self.process.returncode}: {self.log()}")
        self._log.close()


@contextmanager
def measured_server(model: Path, state: Path | str, *options: str) -> Iterator[Server]:
    """Run a server on a core of its own, and move this process to another one meanwhile.

    Several workers share all cores. If there is only one, or the system can't tell, nothing is moved.
    Encoders are loaded before it begins, so that nothing else runs.
    """
    core, clients = (None, None) if "--workers" in options else cores()
    with pinned(clients):
        with pinned(core):
            server = Server(model, state, *options)
        with server:
            connection = Connection(server.port)
            connection.exchange(request("/v1/rerank", b'{"query":"tea","documents":["tea"]}'))
            connection.close()
            yield server


def resident(process: int | str) -> dict[str, float]:
    """Read the memory of a process in MB: its own, and pages of files, which the system may take back.

    Raises
    ------
    RequestError
        If the system doesn't tell.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        raise RequestError("memory is read from /proc: run this on Linux") from None
    found = {name: int(kb) / 1000 for name, kb in re.findall(r"Rss(Anon|File):\s+(\d+) kB", status)}
    return {"own_mb": found["Anon"], "files_mb": found["File"]}


def free_port() -> int:
    """Find a port that nothing listens at."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def cores() -> tuple[int, int] | tuple[None, None]:
    """Choose a core for the server, and another one for its clients; None if that can't be."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Stay on one core, with every process that is started meanwhile; None changes nothing."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _command_line(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def _links(process: int) -> set[str]:
    """List what a process has open, but for what it closes meanwhile."""
    found = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(descriptor))
    return found
