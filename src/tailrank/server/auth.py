"""API keys with scopes, and how often each caller may send a request."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from tailrank.errors import RequestError

Scope = Literal["read", "write"]

MIN_KEY_LENGTH: Final = 16
"""Characters of a key."""

BURST_SECONDS: Final = 2.0
"""Seconds of the allowed rate that may come at once."""


@dataclass(frozen=True)
class ApiKey:
    """What the server knows of a key: never the key itself.

    Attributes
    ----------
    digest
        The key's sha256.
    scopes
        `read` to rank and to export histories, `write` to store and erase.
    """

    digest: bytes
    scopes: frozenset[Scope]


def read_keys(lines: Iterable[str], source: str) -> tuple[ApiKey, ...]:
    """Read keys, one a line: its scopes, joined by `+`, a colon, and the key; `#` starts a comment.

    Raises
    ------
    RequestError
        On a line of another form, or a key that is too short; the message names the line, not the key.

    Examples
    --------
    >>> [key] = read_keys(["read+write:correct-horse-battery"], "keys.txt")
    >>> sorted(key.scopes)
    ['read', 'write']
    """
    keys = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        names, colon, secret = text.partition(":")
        scopes = frozenset(names.split("+"))
        if not colon or not scopes <= set(get_args(Scope)) or len(secret.strip()) < MIN_KEY_LENGTH:
            raise RequestError(
                f"{source}, line {number}: write `read:KEY`, `write:KEY` or `read+write:KEY`, "
                f"with a key of at least {MIN_KEY_LENGTH} characters"
            )
        keys.append(ApiKey(hashlib.sha256(secret.strip().encode()).digest(), scopes))  # type: ignore[arg-type]
    return tuple(keys)


def load_keys(file: Path | None, environment: Mapping[str, str]) -> tuple[ApiKey, ...]:
    """Read keys from a file and from `TAILRANK_API_KEYS`, where commas separate them.

    Raises
    ------
    RequestError
        If the file can't be read or holds no key, and as `read_keys` does.
    """
    keys = read_keys(environment.get("TAILRANK_API_KEYS", "").split(","), "TAILRANK_API_KEYS")
    if file is None:
        return keys
    try:
        from_file = read_keys(file.read_text(encoding="utf-8").splitlines(), str(file))
    except (OSError, UnicodeDecodeError) as why:
        raise RequestError(f"--keys {file}: can't be read ({why})") from None
    if not from_file:
        raise RequestError(f"--keys {file}: holds no key: write `read+write:KEY` into it")
    return keys + from_file


def find_key(keys: tuple[ApiKey, ...], authorization: bytes) -> ApiKey | None:
    """Find the key of an Authorization header, in a time that doesn't depend on which one it is.

    Examples
    --------
    >>> keys = read_keys(["read:correct-horse-battery"], "keys.txt")
    >>> find_key(keys, b"Bearer correct-horse-battery") is keys[0], find_key(keys, b"Bearer guess")
    (True, None)
    """
    auth_scheme, _, secret = authorization.partition(b" ")
    digest = hashlib.sha256(secret.strip()).digest()
    matching = [key for key in keys if hmac.compare_digest(key.digest, digest)]
    return matching[0] if matching and auth_scheme.lower() == b"bearer" else None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class RateLimit:
    """A token bucket for each caller.

    Parameters
    ----------
    rate
        Requests a second that a caller may send in the long run.
    """

    MAX_CALLERS: Final = 10_000

    def __init__(self, rate: float) -> None:
        self.rate, self.size = rate, max(1.0, rate * BURST_SECONDS)
        self._buckets: dict[object, tuple[float, float]] = {}

    def admit(self, caller: object, now: float) -> bool:
        """Spend a token of the caller's, if there is one; `now` in seconds."""
        tokens, since = self._buckets.pop(caller, (self.size, now))
        tokens = min(self.size, tokens + (now - since) * self.rate)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - admitted, now)
        if len(self._buckets) > self.MAX_CALLERS:
            del self._buckets[next(iter(self._buckets))]  # the least recent
        return admitted
