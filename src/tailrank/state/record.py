"""The record of one user: 7 bytes, and 12 for each event, whatever the names are.

It begins with the number of events and the latest time; then a row for each event, oldest first: its codes
(event type in the lowest 8 bits, item in the 24 above), the digest of its id, and the milliseconds since the
row before. A gap of 49 days or more does not fit: the row holds `LONG_GAP` instead, and the gap follows the
rows in 8 bytes. The first row's gap has no meaning: the event that it counts from was dropped. An event type
from `RARE_TYPE` on doesn't fit either: the row holds `RARE_TYPE` and, if any is beyond that, how far each one
is follows in 2 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import Struct
from typing import Final, NamedTuple

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.checks import without_future

HEAD: Final = Struct("<BHI")
ROW: Final = Struct("<III")
TYPE_BITS: Final = 8
RARE_TYPE: Final = (1 << TYPE_BITS) - 1
MAX_TYPES: Final = 1 << 16
MAX_ITEMS: Final = 1 << 24
CODE_BITS: Final = 32
ROW_CODES: Final = (1 << CODE_BITS) - 1
LONG_GAP: Final = (1 << 32) - 1
_IDENTITY: Final = slice(1, 8)
"""The bytes of a row that hold item and digest."""

_GAP_OFFSET: Final = 8
LONG_GAP_BYTES: Final = 8
_TYPE_BYTES: Final = 2
_LONG_GAP: Final = LONG_GAP.to_bytes(4, "little")
_ROWS: Final = [Struct(f"<{3 * n}I") for n in range(EVENTS_PER_USER + 1)]


class Row(NamedTuple):
    """One event, its names as codes.

    Attributes
    ----------
    time
        Milliseconds since 1970.
    codes
        Those of its event type and item: see `joined_codes`.
    digest
        32 bits of the event's id. Two ids share one once in four billion, and only events of one user with
        one item are compared.
    """

    time: int
    codes: int
    digest: int


def joined_codes(event_type: int, item: int) -> int:
    """Join the codes of an event type and an item: what a row holds, and above it what doesn't fit there."""
    beyond = max(0, event_type - RARE_TYPE)
    return event_type - beyond | item << TYPE_BITS | beyond << CODE_BITS


def type_code(codes: int) -> int:
    """Return the code of the event type."""
    return (codes & RARE_TYPE) + (codes >> CODE_BITS)


def item_code(codes: int) -> int:
    """Return the code of the item."""
    return codes >> TYPE_BITS & (MAX_ITEMS - 1)


def decode_columns(record: bytes) -> tuple[list[int], Sequence[int], tuple[int, ...]]:
    """Return the times, the codes and the digests of a record's rows, oldest first.

    Raises
    ------
    ValueError
        If it isn't a record.
    """
    if len(record) < HEAD.size + ROW.size:
        raise ValueError("too short for a record")
    n, high, low = HEAD.unpack_from(record)
    end = HEAD.size + n * ROW.size
    if not 0 < n <= EVENTS_PER_USER or len(record) < end:
        raise ValueError("the number of events doesn't fit the length")
    numbers = _ROWS[n].unpack_from(record, HEAD.size)
    gaps, codes = list(numbers[5::3]), numbers[::3]
    if len(record) != end:
        codes = _restore_rare_types(codes, _restore_long_gaps(gaps, record[end:]))
    first = (high << 32 | low) - sum(gaps)
    if first < 0:
        raise ValueError("the gaps reach back before 1970")
    return list(accumulate(gaps, initial=first)), codes, numbers[1::3]


def decode_rows(record: bytes) -> list[Row]:
    """Return a record's rows, oldest first; raises as `decode_columns`."""
    return list(map(Row, *decode_columns(record)))


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Encode 1 to `EVENTS_PER_USER` rows, in order of time."""
    gaps = [0, *(later.time - earlier.time for earlier, later in pairwise(rows))]
    numbers = [
        n
        for row, gap in zip(rows, gaps, strict=True)
        for n in (row.codes & ROW_CODES, row.digest, min(gap, LONG_GAP))
    ]
    long_gaps = b"".join(gap.to_bytes(LONG_GAP_BYTES, "little") for gap in gaps if gap >= LONG_GAP)
    beyond = [row.codes >> CODE_BITS for row in rows if row.codes & RARE_TYPE == RARE_TYPE]
    types = b"".join(n.to_bytes(_TYPE_BYTES, "little") for n in beyond) if any(beyond) else b""
    return _head(len(rows), rows[-1].time) + _ROWS[len(rows)].pack(*numbers) + long_gaps + types


def merge_rows(record: bytes | None, new: Sequence[Row], latest: int) -> tuple[bytes, int]:
    """Add events to those of a user, the latest `EVENTS_PER_USER` of which stay.

    Parameters
    ----------
    record
        None if there is none.
    new
        At least one.
    latest
        Stored events after this time, in milliseconds, are no later than the one before them.

    Returns
    -------
    tuple[bytes, int]
        The record after it, and how many of the new events are in it.

    Raises
    ------
    ValueError
        If `record` isn't one.
    """
    if record is not None and len(new) == 1 and (appended := _append_latest(record, new[0])) is not None:
        return appended, int(appended is not record)
    stored = [] if record is None else _stored_rows(record, latest, min(row.time for row in new))
    known = {_identity(row) for row in stored}
    added: dict[tuple[int, int], Row] = {}
    for row in new:
        if _identity(row) not in known:
            added.setdefault(_identity(row), row)
    kept = sorted([*stored, *added.values()], key=lambda row: row.time)[-EVENTS_PER_USER:]
    return encode_rows(kept), sum(_identity(row) in added for row in kept)


def _stored_rows(record: bytes, latest: int, first: int) -> list[Row]:
    times, codes, digests = decode_columns(record)
    return list(map(Row, without_future(times, latest, first), codes, digests))


def _append_latest(record: bytes, row: Row) -> bytes | None:
    """Do the common case on bytes: one event, the latest; None if it isn't, `record` itself if it's known."""
    if len(record) < HEAD.size + ROW.size:
        return None
    n, high, low = HEAD.unpack_from(record)
    end = HEAD.size + n * ROW.size
    gap = row.time - (high << 32 | low)
    if gap < 0 or not 0 < n <= EVENTS_PER_USER or len(record) < end:
        return None
    if row.codes & RARE_TYPE == RARE_TYPE or (
        len(record) > end and RARE_TYPE in record[HEAD.size : end : ROW.size]
    ):
        return None
    encoded = ROW.pack(row.codes, row.digest, min(gap, LONG_GAP))
    if _contains(record, encoded[_IDENTITY], end):
        return record
    start, long_gaps = HEAD.size, end
    if n == EVENTS_PER_USER:
        start += ROW.size
        if record.startswith(_LONG_GAP, start + _GAP_OFFSET):  # becomes the first gap, which has no meaning
            long_gaps += LONG_GAP_BYTES
    tail = gap.to_bytes(LONG_GAP_BYTES, "little") if gap >= LONG_GAP else b""
    head = _head(min(n + 1, EVENTS_PER_USER), row.time)
    return b"".join((head, record[start:end], encoded, record[long_gaps:], tail))


def _contains(record: bytes, identity: bytes, end: int) -> bool:
    at = record.find(identity, HEAD.size, end)
    while at >= 0:
        if (at - HEAD.size) % ROW.size == _IDENTITY.start:
            return True
        at = record.find(identity, at + 1, end)
    return False


def _head(n: int, latest: int) -> bytes:
    return HEAD.pack(n, latest >> 32, latest & 0xFFFFFFFF)


def _identity(row: Row) -> tuple[int, int]:
    return item_code(row.codes), row.digest


def _restore_long_gaps(gaps: list[int], tail: bytes) -> bytes:
    """Replace each `LONG_GAP` by the gap that follows the rows for it; returns what follows those."""
    long = [i for i, gap in enumerate(gaps) if gap == LONG_GAP]
    if len(tail) < len(long) * LONG_GAP_BYTES:
        raise ValueError("the number of long gaps doesn't fit the length")
    for at, i in enumerate(long):
        gaps[i] = int.from_bytes(tail[at * LONG_GAP_BYTES :][:LONG_GAP_BYTES], "little")
    return tail[len(long) * LONG_GAP_BYTES :]


def _restore_rare_types(codes: tuple[int, ...], tail: bytes) -> Sequence[int]:
    """Add to each `RARE_TYPE` how far the event type is beyond it."""
    rare = [i for i, code in enumerate(codes) if code & RARE_TYPE == RARE_TYPE]
    if tail and len(tail) != len(rare) * _TYPE_BYTES:
        raise ValueError("the number of rare event types doesn't fit the length")
    found = list(codes)
    for at, i in enumerate(rare if tail else ()):
        found[i] |= int.from_bytes(tail[at * _TYPE_BYTES :][:_TYPE_BYTES], "little") << CODE_BITS
    return found
