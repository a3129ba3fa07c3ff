"""`ServerUrl`: the URL of a Valkey or Redis server, and what of it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.asyncio.connection import parse_url
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as Unreachable

from tailrank.state.base import StateError

TIMEOUT: Final = 1.0
"""Seconds after which a server that doesn't answer is given up."""

MAX_CONNECTIONS: Final = 64
"""To one server."""

FORM: Final = "name redis://USER:PASSWORD@HOST:PORT/NUMBER"
OPTIONS: Final = ("db", "client_name", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""What may follow the question mark. The client's other ones change what it answers, or how it waits."""

DEFAULT_PORT: Final = 6379


@dataclass(frozen=True)
class ServerUrl:
    """Where a server is, and how to log in; its text shows nothing of the user info.

    Attributes
    ----------
    shown
        Scheme, host, port and database number: what messages and logs may hold.
    host, port
        Of the server.
    options
        Further arguments of a connection to it or, in a cluster, to any other server.
    """

    shown: str
    host: str
    port: int
    options: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        """Return what may be shown."""
        return self.shown

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse `redis://`, `valkey://` or, with TLS, `rediss://`, `valkeys://`.

        Raises
        ------
        StateError
            If it makes no sense; the message holds nothing that may be part of a password.
        """
        _, _, rest = url.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        if "@" in rest[len(authority) :]:
            raise StateError(
                "state: the password in the address holds one of / ? # as it is: write %2F, %3F, %23 for them"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or DEFAULT_PORT
        except ValueError:  # it would quote the address
            raise StateError(
                f"state: the address is no URL: {FORM}, with signs of the password other than letters and "
                "digits written as %XX"
            ) from None
        if not host or parts.fragment or not re.fullmatch(r"/?[0-9]*", parts.path):
            raise StateError(f"state: no address of a server at {parts.scheme}://: {FORM}")
        named = f"[{host}]" if ":" in host else host
        shown = f"{parts.scheme}://{named}:{port}{parts.path}"
        return cls(shown, host, port, _options(url, parts, shown))

    def client(self, host: str, port: int) -> Valkey:
        """Return a client of a server that is logged in to in the same way; it connects when it is used."""
        pool = BlockingConnectionPool(
            host=host,
            port=port,
            max_connections=MAX_CONNECTIONS,
            timeout=TIMEOUT,  # type: ignore[arg-type]
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[Unreachable, RuntimeError],  # uvloop's, of a connection lost before a write
            **self.options,
        )
        return Valkey.from_pool(pool)


def _options(url: str, parts: SplitResult, shown: str) -> dict[str, Any]:
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in OPTIONS:
            raise StateError(
                f"{shown}: option {name!r} in the address: only {', '.join(OPTIONS)} may be there"
            )
    try:
        options = dict(parse_url(url))
    except ValueError:
        raise StateError(f"{shown}: an option in the address has a value that makes no sense") from None
    for name in ("host", "port"):
        options.pop(name, None)
    if parts.scheme in {"rediss", "valkeys"}:
        options["ssl_check_hostname"] = True
    return options
