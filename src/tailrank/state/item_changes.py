"""Item changes as bytes, and read in pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from tailrank.state.base import ItemChange, StateError
from tailrank.state.checks import id_bytes

PAGE_SIZE: Final = 256
"""Changes that are read at once, so that nothing else waits long."""

Page: TypeAlias = tuple[int, list[tuple[int, ItemChange | None]]]
"""The current version, and changes with the version that each made, the earliest first; None: it was lost."""


def encode_changes(changes: Sequence[ItemChange]) -> list[tuple[bytes, bytes]]:
    """Encode changes: each item's id as UTF-8, and its change as MessagePack.

    Raises
    ------
    StateError
        If an id is invalid; the message says which.
    """
    encoded = []
    for index, change in enumerate(changes):
        item_id = id_bytes(change.item_id, f"change {index}: item_id")
        encoded.append((item_id, msgspec.msgpack.encode(tuple(change))))
    return encoded


def decode_change(encoded: bytes) -> ItemChange:
    """Decode a change.

    Raises
    ------
    StateError
        If it isn't one.
    """
    try:
        return msgspec.msgpack.decode(encoded, type=ItemChange)
    except msgspec.DecodeError as error:
        raise StateError(f"a change of an item is damaged ({error}): put a backup in its place") from None


async def read_pages(read_page: Callable[[int], Awaitable[Page]], since: int) -> tuple[int, list[ItemChange]]:
    """Read pages until one is empty; of an item that changed again meanwhile, the latest change counts."""
    latest: dict[str, ItemChange] = {}
    while True:
        version, page = await read_page(since)
        if not page:
            return version, list(latest.values())
        since = page[-1][0]
        for change in (change for _, change in page if change is not None):
            latest.pop(change.item_id, None)
            latest[change.item_id] = change
