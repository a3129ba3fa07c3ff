"""How changes of items are written, and read again in pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from tailrank.state.base import ItemChange, StateError

PAGE: Final = 256
"""Changes that are read in one go, so that nothing else waits long."""

Page: TypeAlias = tuple[int, list[tuple[int, ItemChange]]]
"""The version there is, and changes with theirs, the earliest first."""


def pack(change: ItemChange) -> bytes:
    """Write a change as MessagePack."""
    return msgspec.msgpack.encode(tuple(change))


def unpack(packed: bytes) -> ItemChange:
    """Read a change.

    Raises
    ------
    StateError
        Where it isn't one.
    """
    try:
        return msgspec.msgpack.decode(packed, type=ItemChange)
    except msgspec.DecodeError as error:
        raise StateError(f"a change of an item is damaged ({error}): put a backup in its place") from None


async def collect(read: Callable[[int], Awaitable[Page]], since: int) -> tuple[int, list[ItemChange]]:
    """Read pages until one is empty; of an item that changed again meanwhile, the latest change counts."""
    found: dict[str, ItemChange] = {}
    while True:
        version, page = await read(since)
        if not page:
            return version, list(found.values())
        since = page[-1][0]
        for _, change in page:
            found.pop(change.item_id, None)
            found[change.item_id] = change
