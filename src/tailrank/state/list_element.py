"""One event as an element of a user's list on a Valkey or Redis server.

Time in milliseconds (6 bytes), length of the type (2 bytes), type, then the event's identity: digest (4
bytes) and item. Numbers are big-endian; the scripts read them, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np

from tailrank.bounds import LATEST_TIMESTAMP
from tailrank.state.bulk import BulkHistories
from tailrank.state.checks import DIGEST_BYTES, CheckedEvent

LATEST_TIME: Final = LATEST_TIMESTAMP * 1000
_HEAD: Final = struct.Struct(">HIH")
_TIME_BYTES: Final = 6


def encode_event(event: CheckedEvent) -> bytes:
    """Encode an event."""
    event_type = event.event_type.encode()
    head = _HEAD.pack(event.time >> 32, event.time & 0xFFFFFFFF, len(event_type))
    return b"".join((head, event_type, event.digest, event.item_id.encode()))


def decode_event(encoded: bytes) -> tuple[str, str, int] | None:
    """Return an event's item, type, and time in milliseconds; None if these bytes are none."""
    try:
        high, low, length = _HEAD.unpack_from(encoded)
        type_end = _HEAD.size + length
        event_type = encoded[_HEAD.size : type_end].decode()
        item = encoded[type_end + DIGEST_BYTES :].decode()
    except (struct.error, UnicodeDecodeError):
        return None
    time_ms = high << 32 | low
    return (item, event_type, time_ms) if item and event_type and time_ms <= LATEST_TIME else None


def encode_histories(bulk: BulkHistories) -> Iterator[bytes]:
    """Encode the events of each history as `encode_event` does, each after its length in 2 bytes."""
    types = [len(name).to_bytes(2, "big") + name for name in map(str.encode, bulk.event_types)]
    items = list(map(str.encode, map(bulk.item_ids.__getitem__, bulk.items.tolist())))
    sizes = np.fromiter(map(len, types), np.int64)[bulk.types] + np.fromiter(map(len, items), np.int64)
    begins = (sizes + _TIME_BYTES + DIGEST_BYTES) << 8 * _TIME_BYTES | bulk.times
    parts = [b""] * (4 * len(items))
    parts[::4] = begins.astype(">i8").view("V8").tolist()
    parts[1::4] = map(types.__getitem__, bulk.types.tolist())
    parts[2::4] = bulk.digests.astype("<u4").view("V4").tolist()
    parts[3::4] = items
    return (b"".join(parts[4 * start : 4 * end]) for start, end in bulk.bounds)


def split_history(encoded: bytes) -> Iterator[bytes]:
    """Give the events that `encode_histories` joined."""
    at = 0
    while at < len(encoded):
        end = at + 2 + int.from_bytes(encoded[at : at + 2], "big")
        yield encoded[at + 2 : end]
        at = end
