"""`Call`: a request as an endpoint sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

encode: Final = msgspec.json.Encoder().encode
"""Write the body of an answer."""


class Call(NamedTuple):
    """A request as an endpoint sees it.

    Attributes
    ----------
    body
        As it came.
    name
        What stands for the braces in the route's path.
    flags
        What follows the path's question mark.
    arrived
        When, on the clock of `time.perf_counter`.
    """

    body: bytes
    name: str = ""
    flags: Mapping[str, bool] = {}
    arrived: float = 0.0
