"""The ASGI application: HTTP around the endpoints."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote_to_bytes

from msgspec import DecodeError, ValidationError

from tailrank.api import Problem
from tailrank.errors import EncoderError, RequestError, TailrankError
from tailrank.server.auth import RateLimit, find
from tailrank.server.encoding import Encoders
from tailrank.server.endpoints import Answer, Call, Endpoints, encode
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.server.routes import Route, Router
from tailrank.server.settings import ServerSettings
from tailrank.server.tracing import Untraced, tracing
from tailrank.state.base import StateError
from tailrank.state.open import open_state

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

ARRIVED: Final = "tailrank.arrived"
"""Key of a scope under which the HTTP protocol notes when a request came."""

log = logging.getLogger("tailrank.server")


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that gets no further: its status, why, and headers that go with that."""

    def __init__(self, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers


class Gone(Exception):  # noqa: N818
    """Nobody waits for the answer any more."""


class App:
    """One worker's application.

    Parameters
    ----------
    settings
        How the server is set up.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings, self.router, self.metrics = settings, Router(), Metrics()
        limit = settings.rate_limit
        self.rates = None if limit is None else RateLimit(limit / settings.workers)
        self.traces = tracing() if settings.traces else Untraced()
        self.endpoints: Endpoints | None = None
        self.failure: TailrankError | None = None
        """Why the application could not start."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the server's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        arrived = scope.get(ARRIVED) or time.perf_counter()
        with self.traces.span(scope) as span:
            outcome = await self._outcome(scope, receive, arrived)
            if outcome is None:
                return
            endpoint, answer, headers = outcome
            span(endpoint, answer.status)
        length = str(len(answer.body)).encode()
        said = [(b"content-type", answer.kind), (b"content-length", length), *headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": said})
        await send({"type": "http.response.body", "body": answer.body})
        took = time.perf_counter() - arrived
        self.metrics.answered(endpoint, answer.status, took)
        if self.settings.access_log:
            about = {"endpoint": endpoint, "status": answer.status, "ms": round(1e3 * took, 2)}
            log.info("answered", extra=about)

    async def _outcome(
        self, scope: Message, receive: Receive, arrived: float
    ) -> tuple[str, Answer, Headers] | None:
        """Name the endpoint, and give its answer or a refusal; None where nobody waits for it any more."""
        endpoint = "none"
        try:
            route, call = await self._call(scope, receive, arrived)
            endpoint = route.endpoint
            answer: Answer = await getattr(self.endpoints, endpoint)(call)
        except Gone:
            return None
        except Exception as why:  # noqa: BLE001 - whatever it is, an answer is due
            refused = _refused(why)
            return endpoint, Answer(encode(Problem(refused.why)), refused.status), refused.headers
        return endpoint, answer, ()

    async def _call(self, scope: Message, receive: Receive, arrived: float) -> tuple[Route, Call]:
        """Find the route and read the body, for whom it may be done for."""
        path = scope["raw_path"].decode("ascii", "replace").partition("?")[0]
        found = self.router.find(scope["method"], path)
        if found is None:
            known = self.router.methods(path)
            if known:
                raise Refused(405, f"use {' or '.join(known)}", (b"allow", ", ".join(known).encode()))
            raise Refused(404, "there is nothing here: see /docs")
        route, name = found
        if route.scope is not None:
            self._admit(route, scope)
        if route.sheds and time.perf_counter() - arrived > self.settings.queue_ms / 1e3:
            self.metrics.shed.inc()
            raise Refused(429, "too many requests at once: try again", (b"retry-after", b"1"))
        body = b"" if scope["method"] == "GET" else await self._body(receive)
        try:
            query = dict(parse_qsl(scope["query_string"].decode())) if scope["query_string"] else {}
            return route, Call(body, unquote_to_bytes(name).decode(), query, arrived)
        except UnicodeDecodeError:
            raise Refused(400, "the path is no UTF-8") from None

    def _admit(self, route: Route, scope: Message) -> None:
        """Refuse who has no key for this, whom a web page sends, and who comes too often."""
        headers = dict(scope["headers"])
        caller: object = scope["client"][0] if scope.get("client") else None
        if self.settings.keys:
            key = find(self.settings.keys, headers.get(b"authorization", b""))
            if key is None:
                raise Refused(
                    401, "no valid key: send `Authorization: Bearer KEY`", (b"www-authenticate", b"Bearer")
                )
            if route.scope not in key.scopes:
                raise Refused(403, f"this key doesn't allow to {route.scope}")
            caller = key.digest
        elif headers.get(b"origin", b"").partition(b"://")[2] not in (b"", headers.get(b"host")):
            raise Refused(403, "pages of other sites may not use a server without keys")
        if self.rates is not None and not self.rates.admit(caller, time.monotonic()):
            raise Refused(429, "too many requests: slow down", (b"retry-after", b"1"))

    async def _body(self, receive: Receive) -> bytes:
        """Read the body, up to the limit."""
        parts, size, most = [], 0, int(self.settings.body_mb * 1e6)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise Refused(413, f"the body is larger than {self.settings.body_mb:g} MB: send less at once")
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open what is needed, and close it in the end."""
        await receive()
        try:
            live = await self._open()
        except TailrankError as why:
            self.failure = why
            await send({"type": "lifespan.startup.failed", "message": str(why)})
            return
        beside = [asyncio.create_task(work) for work in (live.watch(), live.warm())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        live.encoders.close()
        self.traces.close()
        await live.state.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> ModelManager:
        state = open_state(self.settings.state, ttl_days=self.settings.ttl_days)
        live = ModelManager(self.settings.model, state, Encoders(), self.metrics)
        await live.start()
        self.endpoints = Endpoints(live, state, self.metrics)
        log.info("ready", extra={"model": live.served.name, "pid": os.getpid()})
        return live


def _refused(why: Exception) -> Refused:
    """Say what went wrong, in the terms of HTTP."""
    if isinstance(why, Refused):
        return why
    if isinstance(why, ValidationError | RequestError):
        return Refused(422, str(why))
    if isinstance(why, DecodeError | UnicodeError | RecursionError):
        return Refused(400, f"not JSON: {why}")
    if isinstance(why, StateError | EncoderError):
        log.warning("not at the moment", extra={"why": str(why)})
        return Refused(503, str(why), (b"retry-after", b"1"))
    log.error("request failed", exc_info=why)
    return Refused(500, "something went wrong here; the log says where")
