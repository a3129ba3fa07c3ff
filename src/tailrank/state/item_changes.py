"""Item changes as bytes, and read in pages."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from tailrank.state.base import ItemChange, StateError
from tailrank.state.checks import id_bytes

PAGE_SIZE: Final = 256
"""Changes that are read at once, so that nothing else waits long."""

ENTRY: Final = b"\xff"
"""Begins the keys of entries of reviews, each of which has its own; no id in UTF-8 begins so."""

Page: TypeAlias = tuple[int, list[tuple[int, ItemChange | None]]]
"""The current version, and changes with the version that each made, the earliest first; None: it was lost."""


def encode_changes(changes: Sequence[ItemChange]) -> list[tuple[bytes, bytes]]:
    """Encode changes: in whose place each stands, an item's id as UTF-8, and the change as MessagePack.

    Raises
    ------
    StateError
        If an id is invalid; the message says which.
    """
    encoded = []
    for index, change in enumerate(changes):
        key = id_bytes(change.item_id, f"change {index}: item_id")
        if change.review is None:
            encoded.append((key, msgspec.msgpack.encode(change[:-1])))
        else:
            entry = msgspec.msgpack.encode(tuple(change))
            encoded.append((ENTRY + hashlib.sha256(entry).digest(), entry))
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
    latest: dict[tuple[str, bytes | None], ItemChange] = {}
    while True:
        version, page = await read_page(since)
        if not page:
            return version, list(latest.values())
        since = page[-1][0]
        for change in (change for _, change in page if change is not None):
            key = change.item_id, change.review
            latest.pop(key, None)
            latest[key] = change
