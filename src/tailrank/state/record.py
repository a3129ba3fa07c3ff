"""The record of one user: 10 bytes, and for each event 3 and as many more as the longest row of its needs.

It begins with the number of events (in the lowest 7 bits; the eighth says that gaps are whole seconds, not
milliseconds), the bits of an item's code, those of an event type's, the bytes of a row, and the latest time.
Then come the digests of the events' ids, 3 bytes each, and the rows, both oldest first. A row is a number:
in its lowest bits the item, above it the event type, above that the time since the row before. The first
row's gap has no meaning: the event that it counts from was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tailrank.state.base import EVENTS_PER_USER

HEAD: Final = Struct("<BBBBHI")
SECONDS: Final = 1 << 7
"""Set beside the number of events if gaps are whole seconds."""

SECOND: Final = 1_000
DIGEST_BYTES: Final = 3
MAX_DIGESTS: Final = 1 << 8 * DIGEST_BYTES
LEAST_GAP_BITS: Final = {1: 30, SECOND: 20}
"""By unit: twelve days, so that few events need longer rows than those before."""

WORD: Final = 8
"""Bytes of a row that NumPy reads."""

ITEM_BITS: Final = 24
TYPE_BITS: Final = 16
GAP_BITS: Final = 50
"""Milliseconds of 35,000 years: no gap needs more, and the sum of a record's still fits 8 bytes."""

MAX_ITEMS: Final = 1 << ITEM_BITS
MAX_TYPES: Final = 1 << TYPE_BITS


class Row(NamedTuple):
    """One event, its names as codes.

    Attributes
    ----------
    time
        Milliseconds since 1970.
    item, event_type
        Codes of the names.
    digest
        24 bits of the event's id. Two ids share them once in sixteen million, and only events of one user
        with one item are compared.
    """

    time: int
    item: int
    event_type: int
    digest: int


class Widths(NamedTuple):
    """Bits that codes have at least: as many as the latest ones need, so that few rows have to grow."""

    item: int = 0
    event_type: int = 0


NARROW: Final = Widths()


class Layout(NamedTuple):
    """Where the columns of a record are.

    Attributes
    ----------
    n
        Number of events.
    unit
        Milliseconds that a gap counts.
    item_bits, type_bits, row_bytes
        Widths.
    latest
        Time of the last event, in milliseconds.
    """

    n: int
    unit: int
    item_bits: int
    type_bits: int
    row_bytes: int
    latest: int

    @classmethod
    def read(cls, record: bytes) -> Layout:
        """Read the head of a record.

        Raises
        ------
        ValueError
            If it isn't a record.
        """
        if len(record) < HEAD.size:
            raise ValueError("too short for a record")
        first, item_bits, type_bits, row_bytes, high, low = HEAD.unpack_from(record)
        n, gap_bits = first & ~SECONDS, 8 * row_bytes - item_bits - type_bits
        if not 0 < n <= EVENTS_PER_USER or len(record) != HEAD.size + n * (DIGEST_BYTES + row_bytes):
            raise ValueError("the number of events doesn't fit the length")
        if item_bits > ITEM_BITS or type_bits > TYPE_BITS or not 0 <= gap_bits <= GAP_BITS:
            raise ValueError("the codes don't fit their rows")
        return cls(n, SECOND if first & SECONDS else 1, item_bits, type_bits, row_bytes, high << 32 | low)

    @property
    def rows(self) -> int:
        """Where the rows begin."""
        return HEAD.size + self.n * DIGEST_BYTES


def decode_columns(record: bytes) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Return the times, the items and the event types of a record's rows, oldest first; each shape (rows,).

    Raises
    ------
    ValueError
        If it isn't a record.
    """
    layout = Layout.read(record)
    item_bits, type_bits, latest = layout.item_bits, layout.type_bits, layout.latest
    rows = _numbers(record, layout.rows, layout.n, layout.row_bytes)
    times = (rows >> item_bits + type_bits).astype(np.int64)
    times[0] = 0
    times = times.cumsum()
    if (passed := int(times[-1]) * layout.unit) > latest:
        raise ValueError("the gaps reach back before 1970")
    times *= layout.unit
    times += latest - passed
    return times, rows & (1 << item_bits) - 1, rows >> item_bits & (1 << type_bits) - 1


def decode_rows(record: bytes) -> list[Row]:
    """Return a record's rows, oldest first; raises as `decode_columns`."""
    columns = decode_columns(record)
    digests = _numbers(record, HEAD.size, len(columns[0]), DIGEST_BYTES)
    return list(map(Row, *(column.tolist() for column in (*columns, digests))))


def encode_rows(rows: Sequence[Row], widths: Widths = NARROW) -> bytes:
    """Encode 1 to `EVENTS_PER_USER` rows, in order of time."""
    times, items, types, digests = zip(*rows, strict=True)
    gaps = [0, *(later - earlier for earlier, later in pairwise(times))]
    unit = SECOND if times[0] % SECOND == 0 and not any(gap % SECOND for gap in gaps) else 1
    item_bits = max(widths.item, max(items).bit_length())
    type_bits = max(widths.event_type, max(types).bit_length())
    needed = item_bits + type_bits + max(LEAST_GAP_BITS[unit], (max(gaps) // unit).bit_length())
    width = -(-needed // 8)
    # What is left of the bytes goes to both that may grow.
    item_bits = min(ITEM_BITS, item_bits + (8 * width - needed) // 2)
    codes_bits = item_bits + type_bits
    first = len(rows) | (SECONDS if unit == SECOND else 0)
    head = HEAD.pack(first, item_bits, type_bits, width, times[-1] >> 32, times[-1] & 0xFFFFFFFF)
    numbers = (
        item | event_type << item_bits | gap // unit << codes_bits
        for item, event_type, gap in zip(items, types, gaps, strict=True)
    )
    return b"".join(
        [
            head,
            *(digest.to_bytes(DIGEST_BYTES, "little") for digest in digests),
            *(number.to_bytes(width, "little") for number in numbers),
        ]
    )


def _numbers(record: bytes, start: int, n: int, width: int) -> NDArray[Any]:
    """Read numbers of so many bytes, shape (n,); those of more than 8, which are rare, as Python's."""
    if width > WORD:
        rows = (record[at : at + width] for at in range(start, start + n * width, width))
        return np.array([int.from_bytes(row, "little") for row in rows], object)
    padded = np.zeros((n, WORD), np.uint8)
    padded[:, :width] = np.frombuffer(record, np.uint8, n * width, start).reshape(n, width)
    return padded.view("<u8")[:, 0]
