"""The application: HTTP around the endpoints."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from multiprocessing import parent_process
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from tailrank.errors import TailrankError
from tailrank.server.auth import RateLimit, find_key
from tailrank.server.basic_endpoints import BasicEndpoints
from tailrank.server.call import Call
from tailrank.server.content_encoding import unpacked_gzip
from tailrank.server.exchange import Answer, ClientDisconnected, Exchange
from tailrank.server.metrics import Metrics
from tailrank.server.origins import reason_to_refuse
from tailrank.server.refusals import RETRY_AFTER, RequestRefused, as_refusal
from tailrank.server.route import Route
from tailrank.server.routes import Router
from tailrank.server.service_settings import ServiceSettings
from tailrank.server.streams import Stream, send_stream
from tailrank.server.tracing import Tracer, end

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

OK: Final = 200
ENCODING: Final = frozenset({"rerank", "items", "feedback", "page_items", "page_own", "label", "support_ask"})
"""Endpoints that may encode texts for seconds: not for a client who has gone."""

LINE: Final = 24
"""Requests ahead of one that may be refused for having waited: half as many again as 16 clients send."""

log = logging.getLogger("tailrank.server")


class Target(NamedTuple):
    """What is requested: the route, what stands for the braces in its path, and the query's flags."""

    route: Route
    name: str
    flags: Mapping[str, bool]


class App(ABC):
    """One worker's application; what is behind its endpoints opens and closes with it.

    Parameters
    ----------
    settings
        Of the server.
    endpoints
        Of what kind its endpoints are, which exist once it is open.
    """

    def __init__(self, settings: ServiceSettings, endpoints: type[BasicEndpoints]) -> None:
        self.metrics = Metrics()
        self.tracer = Tracer() if settings.traces else None
        self.endpoints: BasicEndpoints | None = None
        self.failure: TailrankError | None = None
        """Why the application could not start."""
        self._access_log, self._queue_ms, self._keys = settings.access_log, settings.queue_ms, settings.keys
        self.router = Router(endpoints.routes)
        self.body_bytes, limit = int(settings.body_mb * 1e6), settings.rate_limit
        self.rate_limit = None if limit is None else RateLimit(limit / settings.workers)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Run from the server's start to its end: uvicorn tells of both as ASGI does."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Open everything when the server starts, and close it when it ends."""
        await receive()
        try:
            await self._open()
        except TailrankError as why:
            self.failure = why
            # A worker of several says it here; one alone has whoever started it to raise it to.
            said = "" if parent_process() is None else str(why)
            await send({"type": "lifespan.startup.failed", "message": said})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        if self.tracer:
            self.tracer.close()
        await send({"type": "lifespan.shutdown.complete"})

    @abstractmethod
    async def _open(self) -> None:
        """Open what is behind the endpoints, and these; raises TailrankError if it can't be used."""

    @abstractmethod
    async def _close(self) -> None:
        """Close it, once the last request was answered."""

    def begin(self, exchange: Exchange) -> None:
        """Answer a request: at once or, if something has to be waited for, in a task."""
        if self.tracer is None:
            self._begin(exchange, None)
        else:
            with self.tracer.request(exchange) as span:
                self._begin(exchange, span)

    def _begin(self, exchange: Exchange, span: Span | None) -> None:
        endpoint, answering = "none", None
        try:
            target = self._target(exchange)
            endpoint = target.route.endpoint
            if exchange.is_whole or target.route.method == "GET":
                answering = self._answering(exchange, target)
        except Exception as why:  # noqa: BLE001 - whatever it is, a response is due
            answering = as_refusal(why).answer
        if isinstance(answering, Answer):
            self._send(exchange, endpoint, answering, span)
        else:
            waiting = answering or self._when_whole(exchange, target)
            exchange.connection.run(self._answer_later(exchange, endpoint, waiting, span))

    async def _answer_later(
        self,
        exchange: Exchange,
        endpoint: str,
        answering: Coroutine[Any, Any, Answer | Stream],
        span: Span | None,
    ) -> None:
        """Wait for an answer, and send it or a refusal."""
        try:
            answer = await answering
        except ClientDisconnected:
            if span is not None:
                span.end()
            return
        except asyncio.CancelledError:  # it took longer than the server waits when it stops
            answer = RequestRefused(503, "the server is stopping: try again", RETRY_AFTER).answer
        except Exception as why:  # noqa: BLE001 - whatever it is, a response is due
            answer = as_refusal(why).answer
        if isinstance(answer, Stream):
            self._count(exchange, endpoint, OK, span)
            await send_stream(exchange, answer)
        else:
            self._send(exchange, endpoint, answer, span)

    async def _when_whole(self, exchange: Exchange, target: Target) -> Answer | Stream:
        """Answer once the whole body has come."""
        await exchange.read(self.body_bytes)
        answering = self._answering(exchange, target)
        return answering if isinstance(answering, Answer) else await answering

    def _answering(self, exchange: Exchange, target: Target) -> Answer | Coroutine[Any, Any, Answer | Stream]:
        """Call the endpoint with what has come."""
        route, name, flags = target
        body = b"" if route.method == "GET" else self._unpacked(exchange)
        call = Call(body, name, flags, exchange.arrived)
        answering: Answer | Coroutine[Any, Any, Answer | Stream] = getattr(self.endpoints, route.endpoint)(
            call
        )
        if route.endpoint in ENCODING and not isinstance(answering, Answer):
            return _unless_disconnected(answering, exchange)
        return answering

    def _send(self, exchange: Exchange, endpoint: str, answer: Answer, span: Span | None) -> None:
        """Send an answer, and count it."""
        exchange.connection.send(exchange, answer)
        self._count(exchange, endpoint, answer.status, span)

    def _count(self, exchange: Exchange, endpoint: str, status: int, span: Span | None) -> None:
        """Count an answer, or a stream that begins."""
        took = time.perf_counter() - exchange.arrived
        self.metrics.answered(endpoint, status, took)
        if span is not None:
            end(span, endpoint, status)
        if self._access_log:
            fields = {"endpoint": endpoint, "status": status, "ms": round(1e3 * took, 2)}
            log.info("answered", extra=fields)

    def _target(self, exchange: Exchange) -> Target:
        """Find what is requested, unless the caller is refused or too many came before."""
        if not self._keys:
            why = reason_to_refuse(exchange.headers, navigates=exchange.method in {"GET", "HEAD"})
            if why is not None:
                raise RequestRefused(403, why)
        path = exchange.path.decode("ascii", "replace")
        found = self.router.find(exchange.method, path)
        if found is None:
            allowed = self.router.methods(path)
            if allowed:
                header = b"allow", ", ".join(allowed).encode()
                raise RequestRefused(405, f"use {' or '.join(allowed)}", header)
            raise RequestRefused(404, "there is nothing here: see /docs")
        route, name = found
        if route.scope is not None:
            self._check_caller(route, exchange)
        if route.sheddable and self._is_late(exchange):
            self.metrics.shed.inc()
            raise RequestRefused(429, "too many requests at once: try again", RETRY_AFTER)
        flags = route.flags(exchange.query) if exchange.query else {}
        try:
            return Target(route, unquote_to_bytes(name).decode() if name else "", flags)
        except UnicodeDecodeError:
            raise RequestRefused(400, "the path is no UTF-8") from None

    def _is_late(self, exchange: Exchange) -> bool:
        """Whether a request waited too long in too long a line.

        Time alone would say so of every request on a slow machine. By Little's law (Operations Research 9,
        1961), the length of the line is a time, too: in units of what a request takes here.
        """
        waited = time.perf_counter() - exchange.arrived
        return exchange.ahead >= LINE and waited > self._queue_ms / 1e3

    def _check_caller(self, route: Route, exchange: Exchange) -> None:
        """Refuse callers without a key for this route, and who comes too often."""
        caller: object = exchange.connection.client
        if self._keys:
            key = find_key(self._keys, dict(exchange.headers).get(b"authorization", b""))
            if key is None:
                header = b"www-authenticate", b"Bearer"
                raise RequestRefused(401, "no valid key: send `Authorization: Bearer KEY`", header)
            if route.scope not in key.scopes:
                raise RequestRefused(403, f"this key doesn't allow to {route.scope}")
            caller = key.digest
        if self.rate_limit is not None and not self.rate_limit.admit(caller, time.monotonic()):
            raise RequestRefused(429, "too many requests: slow down", RETRY_AFTER)

    def _unpacked(self, exchange: Exchange) -> bytes:
        """Unpack a body as its headers say, up to the same limit."""
        body = exchange.body(self.body_bytes)
        named = [value for name, value in exchange.headers if name == b"content-encoding"]
        encoding = b", ".join(named).decode("latin-1").strip().lower() if named else ""
        if not body or encoding in {"", "identity"}:
            return body
        if encoding not in {"gzip", "x-gzip"}:
            header = b"accept-encoding", b"gzip"
            raise RequestRefused(
                415, f"content-encoding {encoding[:40]!r}: send gzip, or the plain body", header
            )
        try:
            return unpacked_gzip(body, self.body_bytes)
        except ValueError as why:
            raise RequestRefused(400, f"the body is not gzip, as its content-encoding says: {why}") from None


async def _unless_disconnected(
    answering: Coroutine[Any, Any, Answer | Stream], exchange: Exchange
) -> Answer | Stream:
    """Wait for an answer, and cancel it if the client disconnects; raises ClientDisconnected then."""
    answer, gone = asyncio.create_task(answering), asyncio.create_task(exchange.disconnected())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnected
        return answer.result()
    finally:
        answer.cancel()
        gone.cancel()
