"""Lists that users were shown lately, as bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from tailrank.bounds import SHOWN_HOURS
from tailrank.state.base import ShownList

KEPT_SECONDS: Final = SHOWN_HOURS * 3_600.0
Element: TypeAlias = tuple[float, list[str]]
"""When a list was shown, and its items."""

_ELEMENT: Final = msgspec.msgpack.Decoder(Element)


def encode_shown(shown: ShownList) -> bytes:
    """Encode one list without its user."""
    return msgspec.msgpack.encode((shown.time, shown.item_ids))


def kept_seconds(ttl: float | None) -> float:
    """Say for how long lists are kept if events are kept for `ttl` seconds, None for ever."""
    return KEPT_SECONDS if ttl is None else min(ttl, KEPT_SECONDS)


def times_shown(encoded: Iterable[bytes], seconds: float) -> dict[str, list[float]]:
    """Say when each item was shown in the last `seconds`; what is stored twice or is no list is left out."""
    found, oldest = dict[str, list[float]](), time.time() - seconds
    for element in dict.fromkeys(encoded):
        try:
            at, items = _ELEMENT.decode(element)
        except msgspec.DecodeError:  # somebody else wrote it
            continue
        if at >= oldest:
            for item in items:
                found.setdefault(item, []).append(at)
    return found
