#!/usr/bin/env bash
# valkey 6.2.0 with uvloop 0.23.0, on Python 3.11 and Linux.
#
# valkey-py turns what a socket raises into its own ConnectionError, and tries a lost connection again. That goes by
# OSError. If the server has reset a connection before something is written to it, asyncio's transports say so when the
# writer is drained, by a ConnectionResetError. uvloop's refuse the write, by a RuntimeError: it passes through valkey-py,
# and nothing is tried again.
#
# Output seen (a client with a connection of its own, which the server resets after an answer; one retry is allowed):
#   asyncio: True
#   uvloop: RuntimeError: unable to perform operation on <TCPTransport ...>; the handler is closed
#   uvloop, the next call: True
#
# So code that runs on both loops and catches valkey's errors and OSError misses this one. What works: to catch RuntimeError
# around commands as well, and send them again if that is safe.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check valkey==6.2.0 uvloop==0.23.0
cat > "$work/lost.py" <<'PYTHON'
import asyncio
import socket
import struct
import threading
import time

import uvloop
from valkey.asyncio import Valkey
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as Lost

listener = socket.create_server(("127.0.0.1", 0))
reset = threading.Event()


def serve(connection):
    """Answer whatever comes; reset the connection once that is asked for."""
    connection.settimeout(0.02)
    while not reset.is_set():
        try:
            got = connection.recv(4096)
        except TimeoutError:
            continue
        if not got:
            return
        connection.sendall(b"+PONG\r\n" if b"PING" in got else b"+OK\r\n" * got.count(b"SETINFO"))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    reset.clear()


def accept():
    while True:
        threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()


threading.Thread(target=accept, daemon=True).start()


async def answers():
    retry = Retry(NoBackoff(), 1)
    client = Valkey(
        port=listener.getsockname()[1], single_connection_client=True, retry=retry, retry_on_error=[Lost]
    )
    found = []
    await client.ping()
    reset.set()
    while reset.is_set():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    for _ in range(2):
        try:
            found.append(str(await client.ping()))
        except Exception as why:
            found.append(f"{type(why).__name__}: {why}")
    await client.aclose()
    return found


for name, loop in {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}.items():
    with asyncio.Runner(loop_factory=loop) as runner:
        first, second = runner.run(answers())
    print(f"{name}: {first}\n{name}, the next call: {second}")
    assert first.startswith("RuntimeError" if name == "uvloop" else "True"), first
    assert second == "True", second
PYTHON
"$work/venv/bin/python" "$work/lost.py"
