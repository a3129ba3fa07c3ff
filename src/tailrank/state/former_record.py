"""The record of a user in a folder of the format before this one, which is read until it is written anew.

It begins with the number of events and the latest time; then a row for each event, oldest first: its codes
(event type in the lowest 8 bits, item in the 24 above), the digest of its id, and the milliseconds since the
row before. A gap of 49 days or more does not fit: the row holds `LONG_GAP` instead, and the gap follows the
rows in 8 bytes. The first row's gap has no meaning. An event type from `RARE_TYPE` on doesn't fit either: the
row holds `RARE_TYPE` and, if any is beyond that, how far each one is follows in 2 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from struct import Struct
from typing import Final

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.record import MAX_DIGESTS, Row

HEAD: Final = Struct("<BHI")
ROW: Final = Struct("<III")
RARE_TYPE: Final = 255
LONG_GAP: Final = (1 << 32) - 1
_ITEM_SHIFT: Final = 8
_LONG_GAP_BYTES: Final = 8
_TYPE_BYTES: Final = 2


def decode_former(record: bytes) -> list[Row]:
    """Return a record's rows, oldest first.

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
    codes, digests, short = zip(*ROW.iter_unpack(record[HEAD.size : end]), strict=True)
    gaps, tail = _with_long_gaps(short[1:], record[end:])
    types = _with_rare_types([code & RARE_TYPE for code in codes], tail)
    first = (high << 32 | low) - sum(gaps)
    if first < 0:
        raise ValueError("the gaps reach back before 1970")
    return [
        Row(time, code >> _ITEM_SHIFT, event_type, digest % MAX_DIGESTS)
        for time, code, event_type, digest in zip(
            accumulate(gaps, initial=first), codes, types, digests, strict=True
        )
    ]


def _with_long_gaps(gaps: Sequence[int], tail: bytes) -> tuple[list[int], bytes]:
    """Replace each `LONG_GAP` by the gap that follows the rows for it; also returns what follows those."""
    found, n_long = list(gaps), gaps.count(LONG_GAP)
    if len(tail) < n_long * _LONG_GAP_BYTES:
        raise ValueError("the number of long gaps doesn't fit the length")
    for nth, i in enumerate(i for i, gap in enumerate(gaps) if gap == LONG_GAP):
        found[i] = int.from_bytes(tail[nth * _LONG_GAP_BYTES :][:_LONG_GAP_BYTES], "little")
    return found, tail[n_long * _LONG_GAP_BYTES :]


def _with_rare_types(types: list[int], tail: bytes) -> list[int]:
    """Add to each `RARE_TYPE` how far the event type is beyond it."""
    rare = [i for i, event_type in enumerate(types) if event_type == RARE_TYPE]
    if tail and len(tail) != len(rare) * _TYPE_BYTES:
        raise ValueError("the number of rare event types doesn't fit the length")
    for nth, i in enumerate(rare if tail else ()):
        types[i] += int.from_bytes(tail[nth * _TYPE_BYTES :][:_TYPE_BYTES], "little")
    return types
