"""HTTP before anybody is known: what is too large, too slow, too many or left unread ends, and no more."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from server_helpers import Running, wait_until

from tailrank.server import protocol
from tailrank.server.exchange import Answer, ClientDisconnected, Exchange

GET = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST /%d HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = 1_000_000
CLOSED = BrokenPipeError, ConnectionResetError
"""What a client meets that still sends, or hasn't read all, when the server closes the connection."""


class Application:
    """Answers with the path, the length of the body and the names of the fields; some paths do otherwise."""

    def __init__(self) -> None:
        self.disconnected: list[bytes] = []
        self.go_on = threading.Event()

    def begin(self, exchange: Exchange) -> None:
        if exchange.path == b"/refused":
            exchange.connection.send(exchange, Answer(b"refused"))
        else:
            exchange.connection.run(self._answer(exchange))

    async def _answer(self, exchange: Exchange) -> None:
        try:
            answer = bytes(LARGE) if exchange.path == b"/large" else await self._description(exchange)
        except ClientDisconnected:
            self.disconnected.append(exchange.path)
        else:
            exchange.connection.send(exchange, Answer(answer))

    async def _description(self, exchange: Exchange) -> bytes:
        size = len(await exchange.read(10 * LARGE))
        if exchange.path == b"/slow":
            await self._while_connected(exchange)
        names = b" ".join(name for name, _ in exchange.headers)
        return b"%b %d %b" % (exchange.path, size, names)

    async def _while_connected(self, exchange: Exchange) -> None:
        gone = asyncio.ensure_future(exchange.disconnected())
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)
            if gone.done():
                raise ClientDisconnected
        gone.cancel()


@pytest.fixture(params=["uvloop", "asyncio"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    app = Application()
    running = Running(app, loop=request.param, lifespan="off", timeout_keep_alive=60)
    yield running
    app.go_on.set()
    running.stop()


def everything(line: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    with suppress(*CLOSED):
        while piece := line.recv(1 << 16):
            received += piece
    line.close()
    return received


def answer(line: socket.socket) -> bytes:
    """Read one answer, which is short."""
    received = b""
    while b"\r\n\r\n" not in received or not received.partition(b"\r\n\r\n")[2]:
        piece = line.recv(1 << 16)
        assert piece, received
        received += piece
    return received


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * LARGE,
        b"GET /" + b"a" * LARGE,
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"many: of them\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"many: of them\r\n" * (LARGE // 15),
        b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 16_400 + b"\r\n\r\n",
        CHUNKED % 1 + b"1\r\nx\r\n0\r\n" + b"trailer: more\r\n" * (LARGE // 15),
        CHUNKED % 1 + b"1;" + b"a" * LARGE,
        CHUNKED % 1 + b"1\r\nx\r\n" * (LARGE // 6),
    ],
    ids=["field", "path", "fields", "endless", "a little", "trailers", "extension", "chunks"],
)
def test_a_head_that_is_too_large_is_refused(running: Running, head: bytes) -> None:
    line = running.connect()
    with suppress(*CLOSED):
        line.sendall(head)
    received = everything(line)
    assert received.startswith(b"HTTP/1.1 431 "), received
    assert b'{"error":"' in received
    assert received.count(b"HTTP/1.1") == 1
    assert answer(running.send(GET % 2)).startswith(b"HTTP/1.1 200")


def test_large_heads_and_bodies_within_the_limits_pass(running: Running) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncookie: " + b"a" * 15_000
    body = b"content-length: %d\r\n\r\n" % LARGE + b"b" * LARGE
    line = running.send(head + b"\r\n" + body, GET % 2)
    assert f"/ {LARGE} host cookie content-length".encode() in answer(line)
    line.close()
    chunked = running.send(CHUNKED % 1 + (b"a\r\n" + b"c" * 10 + b"\r\n") * 10_000 + b"0\r\n\r\n")
    assert b"/1 100000 " in answer(chunked)
    chunked.close()


def test_trailers_are_no_fields_of_the_head(running: Running) -> None:
    line = running.send(CHUNKED % 1 + b"2\r\nab\r\n0\r\norigin: evil\r\n\r\n", GET % 2)
    assert b"/1 2 host transfer-encoding" in answer(line)
    line.close()


def test_what_is_no_http_is_refused_in_our_form(running: Running) -> None:
    received = everything(running.send(b"EHLO example.org\r\n\r\n"))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":"' in received


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost:", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf", b"HTTP/1.1 408"),
        (b"POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf", b"HTTP/1.1 200"),
    ],
    ids=["silent", "half a head", "half a body", "answered already"],
)
def test_who_sends_half_a_request_is_not_waited_for(
    running: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes, received: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    found = everything(running.send(sent))
    assert found.startswith(received)
    assert found.count(b"HTTP/1.1") == bool(received)


def test_trickling_does_not_help(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    line = running.connect()
    end = time.monotonic() + 20
    with suppress(*CLOSED):
        for byte in b"GET /" + b"a" * 10_000:
            line.sendall(bytes([byte]))
            assert time.monotonic() < end
            time.sleep(0.02)
    line.close()


def test_a_body_may_come_slowly_if_it_comes(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 1.0)
    line = running.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n")
    for _ in range(10):
        time.sleep(0.2)
        line.sendall(bytes(20_000))
    assert b"/ 200000 " in answer(line)
    line.close()


def test_a_connection_rests_only_so_long(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)  # checks are as far apart
    running.server.config.timeout_keep_alive = 1
    line = running.send(GET % 1)
    assert answer(line)
    line.sendall(b"\r\n")  # no request begins with it
    assert everything(line) == b""


def test_idle_connections_lock_nobody_out(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 20)
    busy = running.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
    time.sleep(0.2)
    idle = [running.send(b"GET /half HTTP/1.1\r\n" if n % 2 else b"") for n in range(60)]
    line = running.send(GET % 1)
    assert answer(line).startswith(b"HTTP/1.1 200")
    assert everything(idle[0]) == b""
    assert len(running.server.server_state.connections) <= 21
    running.app.go_on.set()
    assert b"/slow 0 host" in answer(busy)
    for each in (line, busy, *idle):
        each.close()


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        (b"GET /1 HTTP/1.0\r\nhost: x\r\n\r\n", b"host"),
        (b"GET /1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"host connection"),
        (b"GET /1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" + GET % 2, b"host connection"),
    ],
    ids=["HTTP/1.0", "close", "close, and another"],
)
def test_the_last_answer_ends_the_connection(running: Running, sent: bytes, fields: bytes) -> None:
    received = everything(running.send(sent))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == received.count(b"HTTP/1.1") == 1
    assert b"\r\nconnection: close\r\n" in received
    assert received.endswith(b"\r\n\r\n/1 0 " + fields)


def test_a_target_may_be_a_whole_address(running: Running) -> None:
    line = running.send(b"GET http://x/1?why=2 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"/1 0 host" in answer(line)
    line.close()


def test_the_answer_to_head_has_no_body(running: Running) -> None:
    line = running.send(b"HEAD /1 HTTP/1.1\r\nhost: x\r\n\r\n" + GET % 2)
    received = b""
    while b"/2 0 host" not in received:
        received += line.recv(1 << 16)
    assert received.count(b"content-length: 9\r\n") == 2
    assert b"/1 0 host" not in received
    line.close()


def test_what_is_left_of_a_body_after_its_answer_is_passed_over(running: Running) -> None:
    line = running.send(b"POST /refused HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"a" * 10)
    assert b"refused" in answer(line)
    line.sendall(b"b" * 99_990 + GET % 2)
    assert b"/2 0 host" in answer(line)
    line.close()


def test_requests_ahead_of_their_answers(running: Running) -> None:
    line = running.send(b"".join(GET % n for n in range(20)))
    received = b""
    while b"/19 0 host" not in received:
        received += line.recv(1 << 16)
    assert [int(n) for n in re.findall(rb"/(\d+) 0 host", received)] == list(range(20))
    line.close()
    received = everything(running.send(GET % 1 + b"GET /2 HTTP/1.1\r\n no field\r\n\r\n"))
    assert received.count(b"HTTP/1.1") == 1
    assert b"/1 0 host" in received
    received = everything(running.send(b"".join(GET % n for n in range(2_000))))
    assert received.count(b"HTTP/1.1 200") == protocol.MAX_PIPELINED
    assert b"connection: close" in received


def test_who_does_not_read_is_not_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)  # checks are as far apart
    line = running.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
    wait_until(lambda: not running.server.server_state.connections)
    line.close()


def test_a_client_that_waits_to_send_its_body(running: Running) -> None:
    line = running.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert line.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
    line.sendall(b"ab")
    assert b"/ 2 host" in answer(line)
    line.close()


@pytest.mark.parametrize("size", [7, 100, 65_536])
def test_who_would_rather_speak_http_2_is_answered_in_http_1(running: Running, size: int) -> None:
    upgrade = b"host: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    body = b"GET /no HTTP/1.1\r\n\r\n"
    sent = b"POST /1 HTTP/1.1\r\n" + upgrade + b"content-length: %d\r\n\r\n" % len(body) + body
    sent += b"POST /2 HTTP/1.1\r\n" + upgrade + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    sent += b"POST /3 HTTP/1.1\r\n" + upgrade + b"content-length: 0\r\n\r\n"
    sent += b"GET /4 HTTP/1.1\r\n" + upgrade + b"\r\n" + GET % 5
    line = running.connect()
    for start in range(0, len(sent), size):
        line.sendall(sent[start : start + size])
        time.sleep(0.001)
    line.sendall(b"no HTTP\r\n\r\n")
    received = everything(line)
    assert re.findall(rb"/\w+ \d+ host", received) == [
        b"/1 %d host" % len(body),
        b"/2 3 host",
        b"/3 0 host",
        b"/4 0 host",
        b"/5 0 host",
    ]


def test_a_client_that_has_gone_is_noticed_behind_another_request(running: Running) -> None:
    running.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + GET % 2).close()
    wait_until(lambda: running.app.disconnected == [b"/slow"])
