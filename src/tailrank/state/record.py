"""The record of one person: 7 bytes, and 12 for each event, whatever their names are.

It begins with the number of events and the latest time; then a row an event, oldest first: its names (type
in the lowest 8 bits, item in the 24 above), the digest of its id, and the milliseconds since the row before.
A gap of 49 days or more does not fit: the row holds `LONG` then, and the gap follows the rows in 8 bytes. The
first row's gap means nothing: what it counts from was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import Struct
from typing import Final, NamedTuple

from tailrank.state.base import KEPT

HEAD: Final = Struct("<BHI")
ROW: Final = Struct("<III")
TYPE_BITS: Final = 8
TYPES: Final = 1 << TYPE_BITS
ITEMS: Final = 1 << 24
LONG: Final = (1 << 32) - 1
_IDENTITY: Final = slice(1, 8)
"""Where a row holds item and digest."""

_GAP_AT: Final = 8
_GAP_BYTES: Final = 8
_LONG: Final = LONG.to_bytes(4, "little")
_ROWS: Final = [Struct(f"<{3 * n}I") for n in range(KEPT + 1)]


class Row(NamedTuple):
    """One event, its names as codes.

    Attributes
    ----------
    time
        Milliseconds since 1970.
    names
        `type | item << 8`.
    digest
        32 bits of the event's id. Two ids meet in it once in four billion, and only events of one person
        with one item are compared.
    """

    time: int
    names: int
    digest: int


def columns(record: bytes) -> tuple[tuple[int, ...], list[int]]:
    """Give the names and the times of a record's rows, oldest first.

    Raises
    ------
    ValueError
        Where it isn't a record.
    """
    names, _, times = _columns(record)
    return names, times


def merge(record: bytes | None, new: Sequence[Row]) -> tuple[bytes, int]:
    """Put events among those of a person, the latest `KEPT` of which stay.

    Returns
    -------
    tuple[bytes, int]
        The record after it, and how many of the new events are in it.

    Raises
    ------
    ValueError
        Where `record` isn't one.
    """
    if record is not None and len(new) == 1 and (pushed := _pushed(record, new[0])) is not None:
        return pushed, int(pushed is not record)
    held = [] if record is None else rows(record)
    known = {_identity(row) for row in held}
    fresh: dict[tuple[int, int], Row] = {}
    for row in new:
        if _identity(row) not in known:
            fresh.setdefault(_identity(row), row)
    kept = sorted([*held, *fresh.values()], key=lambda row: row.time)[-KEPT:]
    return encode(kept), sum(_identity(row) in fresh for row in kept)


def rows(record: bytes) -> list[Row]:
    """Read a record, oldest first.

    Raises
    ------
    ValueError
        Where it isn't one.
    """
    names, digests, times = _columns(record)
    return list(map(Row, times, names, digests))


def encode(events: Sequence[Row]) -> bytes:
    """Write 1 to `KEPT` events, in order of time."""
    gaps = [0, *(later.time - earlier.time for earlier, later in pairwise(events))]
    numbers = [
        n for row, gap in zip(events, gaps, strict=True) for n in (row.names, row.digest, min(gap, LONG))
    ]
    long = b"".join(gap.to_bytes(_GAP_BYTES, "little") for gap in gaps if gap >= LONG)
    return _head(len(events), events[-1].time) + _ROWS[len(events)].pack(*numbers) + long


def _head(n: int, latest: int) -> bytes:
    return HEAD.pack(n, latest >> 32, latest & 0xFFFFFFFF)


def _identity(row: Row) -> tuple[int, int]:
    return row.names >> TYPE_BITS, row.digest


def _columns(record: bytes) -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    if len(record) < HEAD.size + ROW.size:
        raise ValueError("too short for a record")
    n, high, low = HEAD.unpack_from(record)
    end = HEAD.size + n * ROW.size
    if not 0 < n <= KEPT or len(record) < end:
        raise ValueError("the number of events doesn't fit the length")
    numbers = _ROWS[n].unpack_from(record, HEAD.size)
    gaps = list(numbers[5::3])
    if len(record) != end:
        _lengthen(gaps, record[end:])
    first = (high << 32 | low) - sum(gaps)
    if first < 0:
        raise ValueError("the gaps reach back before 1970")
    return numbers[::3], numbers[1::3], list(accumulate(gaps, initial=first))


def _lengthen(gaps: list[int], tail: bytes) -> None:
    """Replace each `LONG` by the gap that follows the rows for it."""
    long = [i for i, gap in enumerate(gaps) if gap == LONG]
    if len(tail) != len(long) * _GAP_BYTES:
        raise ValueError("the number of long gaps doesn't fit the length")
    for place, i in enumerate(long):
        gaps[i] = int.from_bytes(tail[place * _GAP_BYTES :][:_GAP_BYTES], "little")


def _pushed(record: bytes, row: Row) -> bytes | None:
    """Do the common case on bytes: one event, the latest; None where it isn't."""
    if len(record) < HEAD.size + ROW.size:
        return None
    n, high, low = HEAD.unpack_from(record)
    end = HEAD.size + n * ROW.size
    gap = row.time - (high << 32 | low)
    if gap < 0 or not 0 < n <= KEPT or len(record) < end:
        return None
    written = ROW.pack(row.names, row.digest, min(gap, LONG))
    if _holds(record, written[_IDENTITY], end):
        return record
    start, long = HEAD.size, end
    if n == KEPT:
        start += ROW.size
        if record.startswith(_LONG, start + _GAP_AT):  # the first gap means nothing from now on
            long += _GAP_BYTES
    tail = gap.to_bytes(_GAP_BYTES, "little") if gap >= LONG else b""
    return b"".join((_head(min(n + 1, KEPT), row.time), record[start:end], written, record[long:], tail))


def _holds(record: bytes, identity: bytes, end: int) -> bool:
    at = record.find(identity, HEAD.size, end)
    while at >= 0:
        if (at - HEAD.size) % ROW.size == _IDENTITY.start:
            return True
        at = record.find(identity, at + 1, end)
    return False
