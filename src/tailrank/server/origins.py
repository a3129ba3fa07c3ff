"""Keeps pages of other sites away from a server without keys, which trusts whoever reaches it.

A browser sends what any page asks it to, so that a request comes from this machine is no proof. But it says
whose page asked, in fields that no page can forge: `Origin` and `Sec-Fetch-Site`. And in `Host` it names the
server as the page did, so a site whose name was made to lead here (DNS rebinding) is known by that name. With
keys, none of this matters: a page doesn't know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from tailrank.server.auth import is_loopback

HTTP_PORT: Final = 80
OWN_PAGES: Final = frozenset({b"same-origin", b"none"})
"""Of `Sec-Fetch-Site`: a page of this server; nobody's page, such as an address that was typed."""

TELLING: Final = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode"})
"""Fields that say whose page asks, and by which name."""

REMEDY: Final = "give the server keys (--keys FILE, or TAILRANK_API_KEYS)"

_AUTHORITY: Final = re.compile(r"(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{0,5}))?", re.ASCII | re.IGNORECASE)


class Authority(NamedTuple):
    """A host in lower case or, if it is an address, as Python writes it, and a port."""

    host: str
    port: int


def parse_authority(text: str) -> Authority | None:
    """Read `host` or `host:port`; None if it is anything else, such as with a user's name in front.

    Examples
    --------
    >>> parse_authority("LocalHost"), parse_authority("[0:0::1]:8000")
    (Authority(host='localhost', port=80), Authority(host='::1', port=8000))
    >>> parse_authority("localhost@example.org"), parse_authority("localhost/")
    (None, None)
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    host = found[1].lower().strip("[]")
    try:
        host = str(ip_address(host))
    except ValueError:
        host = host.removesuffix(".")
    return Authority(host, int(found[2] or HTTP_PORT))


def reason_to_refuse(headers: Iterable[tuple[bytes, bytes]], navigates: bool = False) -> str | None:
    """Say why a request may not use a server without keys; None if it may.

    Requests without these fields don't come from a page, and may.

    Parameters
    ----------
    headers
        Names in lower case, and values.
    navigates
        Whether the request only reads: then other sites may link to it.

    Examples
    --------
    >>> reason_to_refuse([(b"host", b"localhost:8000"), (b"origin", b"http://localhost:8000")])
    >>> reason_to_refuse([(b"host", b"localhost:8000"), (b"origin", b"null")])[:33]
    'pages of other sites may not use '
    """
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in TELLING:
            found.setdefault(name, []).append(value)
    hosts = found.get(b"host", [])
    for host in hosts:
        if not _is_own(host):
            shown = host[:100].decode("ascii", "replace")
            return (
                f"without keys, the server goes by localhost or a loopback address, not by {shown!r}: if a "
                f"proxy or another name leads to it, {REMEDY}"
            )
    linked = navigates and found.get(b"sec-fetch-mode") == [b"navigate"]
    from_elsewhere = not linked and not OWN_PAGES.issuperset(found.get(b"sec-fetch-site", []))
    if from_elsewhere or not all(_same_origin(origin, hosts) for origin in found.get(b"origin", [])):
        return f"pages of other sites may not use a server without keys: {REMEDY}"
    return None


@lru_cache(64)
def _is_own(host: bytes) -> bool:
    """Whether a Host is a name of this machine that nobody else can claim."""
    authority = parse_authority(host.decode("latin-1"))
    return authority is not None and is_loopback(authority.host)


def _same_origin(origin: bytes, hosts: Sequence[bytes]) -> bool:
    """Whether an Origin is that of every Host; pages of this server came by plain HTTP."""
    scheme, _, authority = origin.decode("latin-1").partition("://")
    places = {parse_authority(text) for text in (authority, *(host.decode("latin-1") for host in hosts))}
    return scheme.lower() == "http" and bool(hosts) and len(places) == 1 and None not in places
