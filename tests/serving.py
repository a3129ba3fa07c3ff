"""A server in a process of its own, as the tests of the server start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

TAILRANK = str(Path(sys.executable).parent / "tailrank")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(
    model: Path, state: Path | str, port: int, *options: str, **environment: str
) -> subprocess.Popen[str]:
    """Start a server and wait until it is ready."""
    process = subprocess.Popen(
        [TAILRANK, "serve", "--model", model, "--state", str(state), "--port", str(port), *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the server isn't ready: {process.communicate()[1]}")


@contextmanager
def server(model: Path, state: Path | str, *options: str, **environment: str) -> Iterator[str]:
    """Run a server; gives its address."""
    port = free_port()
    process = start(model, state, port, *options, **environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        said = process.communicate(timeout=40)[1]
    assert process.returncode == 0, said
