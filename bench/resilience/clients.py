"""A server in a process group of its own, to be killed and started again, and clients to load it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from bench.valkey import free_port

TAILRANK: Final = str(Path(sys.executable).with_name("tailrank"))
PATIENCE: Final = 60.0
"""Seconds that a server may take to be ready."""


class Outcome(NamedTuple):
    """What came of one request.

    Attributes
    ----------
    at
        When it was sent, on the clock of `time.monotonic`.
    ms
        Until its answer.
    what
        The path.
    status
        Of HTTP; 0 where there was no answer.
    answer
        Its JSON.
    """

    at: float
    ms: float
    what: str
    status: int
    answer: Any


Job: TypeAlias = Callable[["Caller", int], object]
"""What a client does again and again; is told how often it has been done."""


class Caller:
    """One connection that is kept, and made anew after a failure."""

    def __init__(self, port: int, seconds: float = 30.0) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
        self.outcomes: list[Outcome] = []

    def ask(self, path: str, body: object = None, method: str = "POST") -> Outcome:
        """Send a request and wait for the answer."""
        at = time.monotonic()
        content = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, content)
            answer = self.connection.getresponse()
            status, said = answer.status, answer.read()
        except (OSError, HTTPException):
            self.connection.close()
            status, said = 0, b"null"
        told = json.loads(said) if said[:1] in b"{[n" else None
        found = Outcome(at, 1e3 * (time.monotonic() - at), path, status, told)
        self.outcomes.append(found)
        return found


class Running:
    """`tailrank serve` with a model and a state, and further options; runs until the end of a `with`."""

    def __init__(self, model: Path, state: Path | str, *options: str, **environment: str) -> None:
        self.port = free_port()
        place = ["--model", str(model), "--state", str(state), "--port", str(self.port)]
        self.command = [TAILRANK, "serve", *place, *options]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the `with`
        self.start()

    def start(self) -> None:
        """Start, and wait until a ranking works.

        Raises
        ------
        RuntimeError
            Where it ends instead, or takes too long.
        """
        self.process = subprocess.Popen(  # noqa: S603
            self.command, stderr=self.log, env=self.environment, start_new_session=True
        )
        caller, until = Caller(self.port), time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            if caller.ask("/readyz", method="GET").status == 200:
                caller.connection.close()
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the server isn't ready: {self.said()}")

    def kill(self) -> None:
        """End it and its workers as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """Read its log."""
        self.log.seek(0)
        return self.log.read()

    def workers(self) -> list[int]:
        """List the processes that answer requests."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        spawned = [int(child) for child in children if "spawn_main" in _command(child)]
        return spawned or [self.process.pid]

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()


@contextmanager
def load(port: int, jobs: Mapping[str, Job]) -> Iterator[dict[str, Caller]]:
    """Do each job on a thread and connection of its own, again and again, until the end of the `with`."""
    stop = threading.Event()
    callers = {name: Caller(port) for name in jobs}

    def work(caller: Caller, job: Job) -> None:
        n = 0
        while not stop.is_set():
            job(caller, n)
            n += 1

    threads = [
        threading.Thread(target=work, args=(callers[name], job), daemon=True) for name, job in jobs.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _command(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""
