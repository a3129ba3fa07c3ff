"""The ASGI application: HTTP around the endpoints."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import nullcontext
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from msgspec import DecodeError, ValidationError

from tailrank.api import ErrorResponse
from tailrank.errors import EncoderError, RequestError, TailrankError
from tailrank.server.auth import RateLimit, find_key
from tailrank.server.content_encoding import TooLargeError, unpacked_gzip
from tailrank.server.encoding import EncoderBusyError, Encoders
from tailrank.server.endpoints import Answer, Call, Endpoints, encode
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.origins import reason_to_refuse
from tailrank.server.protocol import ARRIVED
from tailrank.server.routes import Route, Router
from tailrank.server.settings import ServerSettings
from tailrank.server.tracing import Tracer
from tailrank.state.base import StateError
from tailrank.state.open import open_state

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

RETRY_AFTER: Final = b"retry-after", b"1"
ENCODING: Final = frozenset({"rerank", "items", "feedback"})
"""Endpoints that may encode texts for seconds: not for a client who has gone."""

log = logging.getLogger("tailrank.server")


class RequestRefused(Exception):  # noqa: N818 - it is a response, not a fault
    """A request that gets no further: its status, why, and headers that go with that."""

    def __init__(self, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers


class ClientDisconnected(Exception):  # noqa: N818
    """Nobody waits for the response any more."""


class App:
    """One worker's application.

    Parameters
    ----------
    settings
        Of the server.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings, self.router, self.metrics = settings, Router(), Metrics()
        limit = settings.rate_limit
        self.rate_limit = None if limit is None else RateLimit(limit / settings.workers)
        self.tracer = Tracer() if settings.traces else None
        self.endpoints: Endpoints | None = None
        self.failure: TailrankError | None = None
        """Why the application could not start."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Respond to one request, or run from the server's start to its end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        arrived = scope.get(ARRIVED) or time.perf_counter()
        with self.tracer.span(scope) if self.tracer else nullcontext() as span:
            try:
                endpoint, answer = await self._answer(scope, receive, arrived)
            except ClientDisconnected:
                return
            if span is not None:
                span.update_name(endpoint)
                span.set_attribute("http.response.status_code", answer.status)
        length = str(len(answer.body)).encode()
        headers = [(b"content-type", answer.media_type), (b"content-length", length), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})
        took = time.perf_counter() - arrived
        self.metrics.answered(endpoint, answer.status, took)
        if self.settings.access_log:
            fields = {"endpoint": endpoint, "status": answer.status, "ms": round(1e3 * took, 2)}
            log.info("answered", extra=fields)

    async def _answer(self, scope: Message, receive: Receive, arrived: float) -> tuple[str, Answer]:
        """Call the endpoint; returns its name, and its answer or a refusal."""
        endpoint = "none"
        try:
            route, call = await self._read_call(scope, receive, arrived)
            endpoint = route.endpoint
            answering = getattr(self.endpoints, endpoint)(call)
            if endpoint in ENCODING:
                return endpoint, await _unless_disconnected(answering, receive)
            return endpoint, await answering
        except ClientDisconnected:
            raise
        except asyncio.CancelledError:  # it took longer than the server waits when it stops
            refused = RequestRefused(503, "the server is stopping: try again", RETRY_AFTER)
            return endpoint, Answer(encode(ErrorResponse(str(refused))), 503, headers=refused.headers)
        except Exception as why:  # noqa: BLE001 - whatever it is, a response is due
            refused = _as_refusal(why)
            body = encode(ErrorResponse(str(refused)))
            return endpoint, Answer(body, refused.status, headers=refused.headers)

    async def _read_call(self, scope: Message, receive: Receive, arrived: float) -> tuple[Route, Call]:
        """Find the route, check the caller, and read the body."""
        if not self.settings.keys:
            why = reason_to_refuse(scope["headers"], navigates=scope["method"] in {"GET", "HEAD"})
            if why is not None:
                raise RequestRefused(403, why)
        path = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
        found = self.router.find(scope["method"], path)
        if found is None:
            allowed = self.router.methods(path)
            if allowed:
                header = b"allow", ", ".join(allowed).encode()
                raise RequestRefused(405, f"use {' or '.join(allowed)}", header)
            raise RequestRefused(404, "there is nothing here: see /docs")
        route, name = found
        if route.scope is not None:
            self._check_caller(route, scope)
        if route.sheddable and time.perf_counter() - arrived > self.settings.queue_ms / 1e3:
            self.metrics.shed.inc()
            raise RequestRefused(429, "too many requests at once: try again", RETRY_AFTER)
        flags = route.flags(scope["query_string"]) if scope["query_string"] else {}
        body = b"" if route.method == "GET" else self._unpacked(await self._read_body(receive), scope)
        try:
            return route, Call(body, unquote_to_bytes(name).decode(), flags, arrived)
        except UnicodeDecodeError:
            raise RequestRefused(400, "the path is no UTF-8") from None

    def _check_caller(self, route: Route, scope: Message) -> None:
        """Refuse callers without a key for this route, and who comes too often."""
        caller: object = scope["client"][0] if scope.get("client") else None
        if self.settings.keys:
            key = find_key(self.settings.keys, dict(scope["headers"]).get(b"authorization", b""))
            if key is None:
                header = b"www-authenticate", b"Bearer"
                raise RequestRefused(401, "no valid key: send `Authorization: Bearer KEY`", header)
            if route.scope not in key.scopes:
                raise RequestRefused(403, f"this key doesn't allow to {route.scope}")
            caller = key.digest
        if self.rate_limit is not None and not self.rate_limit.admit(caller, time.monotonic()):
            raise RequestRefused(429, "too many requests: slow down", RETRY_AFTER)

    async def _read_body(self, receive: Receive) -> bytes:
        """Read the body, up to the limit."""
        parts, size, limit = [], 0, int(self.settings.body_mb * 1e6)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _unpacked(self, body: bytes, scope: Message) -> bytes:
        """Unpack a body as its headers say, up to the same limit."""
        named = b", ".join(value for name, value in scope["headers"] if name == b"content-encoding")
        encoding = named.decode("latin-1").strip().lower()
        if not body or encoding in {"", "identity"}:
            return body
        if encoding not in {"gzip", "x-gzip"}:
            header = b"accept-encoding", b"gzip"
            raise RequestRefused(
                415, f"content-encoding {encoding[:40]!r}: send gzip, or the plain body", header
            )
        try:
            return unpacked_gzip(body, int(self.settings.body_mb * 1e6))
        except TooLargeError:
            raise self._too_large() from None
        except ValueError as why:
            raise RequestRefused(400, f"the body is not gzip, as its content-encoding says: {why}") from None

    def _too_large(self) -> RequestRefused:
        most = f"{self.settings.body_mb:g} MB"
        return RequestRefused(413, f"the body is larger than {most}: send less at once")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Open model and state when the server starts, and close them when it ends."""
        await receive()
        try:
            manager = await self._open()
        except TailrankError as why:
            self.failure = why
            await send({"type": "lifespan.startup.failed", "message": str(why)})
            return
        background = [asyncio.create_task(work) for work in (manager.watch(), manager.warm())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        manager.encoders.close()
        if self.tracer:
            self.tracer.close()
        await manager.state.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> ModelManager:
        state = open_state(self.settings.state, ttl_days=self.settings.ttl_days)
        manager = ModelManager(self.settings.model, state, Encoders(), self.metrics)
        await manager.start()
        self.endpoints = Endpoints(manager, state, self.metrics)
        log.info("ready", extra={"model": manager.served.name, "pid": os.getpid()})
        return manager


async def _unless_disconnected(answering: Coroutine[Any, Any, Answer], receive: Receive) -> Answer:
    """Wait for an answer, and cancel it if the client disconnects; raises ClientDisconnected then."""
    answer, gone = asyncio.create_task(answering), asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnected
        return answer.result()
    finally:
        answer.cancel()
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    """Return once the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _as_refusal(why: Exception) -> RequestRefused:
    """Map an error to an HTTP status and a message."""
    if isinstance(why, RequestRefused):
        return why
    if isinstance(why, ValidationError | RequestError):
        return RequestRefused(422, str(why))
    if isinstance(why, DecodeError | UnicodeError | RecursionError):
        return RequestRefused(400, f"not JSON: {why}")
    if isinstance(why, EncoderBusyError):
        return RequestRefused(429, str(why), RETRY_AFTER)
    if isinstance(why, StateError | EncoderError):
        log.warning("not at the moment", extra={"why": str(why)})
        return RequestRefused(503, str(why), RETRY_AFTER)
    log.error("request failed", exc_info=why)
    return RequestRefused(500, "something went wrong here; the log says where")
