"""`Route`: one endpoint of the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from tailrank.errors import RequestError, instead_of
from tailrank.server.auth import Scope


@dataclass(frozen=True)
class Route:
    """One endpoint.

    Attributes
    ----------
    method, path
        The path may end in one name in braces.
    endpoint
        Name of the method of `Endpoints`.
    scope
        What a key must allow; None requires no key.
    summary
        One sentence.
    response, request
        Types of the bodies.
    sheddable
        Whether a request may be refused so that others stay fast.
    media_type
        Of the response.
    parameters
        What may follow the path's question mark, each true or false.
    """

    method: str
    path: str
    endpoint: str
    scope: Scope | None
    summary: str
    response: Any = None
    request: Any = None
    sheddable: bool = True
    media_type: str = "application/json"
    parameters: tuple[str, ...] = ()

    def flags(self, query: bytes) -> dict[str, bool]:
        """Read what follows the question mark; pages that need no key pass over it.

        Raises
        ------
        RequestError
            On a name that the endpoint doesn't know, or a value that is neither true nor false.
        """
        flags: dict[str, bool] = {}
        if self.scope is None:
            return flags
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            if name not in self.parameters:
                remedy = instead_of(name, dict(zip(self.parameters, self.parameters, strict=True)))
                raise RequestError(f"unknown query parameter `{name[:40]}`: {remedy}")
            if value not in TRUTH:
                raise RequestError(f"query parameter `{name}`: send true or false, not {value[:40]!r}")
            flags[name] = TRUTH[value]
        return flags


TRUTH: Final = {"true": True, "false": False}
