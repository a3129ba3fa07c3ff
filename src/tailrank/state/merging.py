"""New events of a user, merged into the record that there is."""

from __future__ import annotations

from collections.abc import Sequence

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.checks import without_future
from tailrank.state.record import (
    DIGEST_BYTES,
    HEAD,
    NARROW,
    SECOND,
    SECONDS,
    Row,
    Widths,
    decode_rows,
    encode_rows,
)


def merge_rows(
    record: bytes | None, new: Sequence[Row], latest: int, widths: Widths = NARROW
) -> tuple[bytes, int]:
    """Add events to those of a user, the latest `EVENTS_PER_USER` of which stay.

    Parameters
    ----------
    record
        None if there is none.
    new
        At least one.
    latest
        Stored events after this time, in milliseconds, are no later than the one before them.
    widths
        Of a record that is encoded anew.

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
    known = {(row.item, row.digest) for row in stored}
    added: dict[tuple[int, int], Row] = {}
    for row in new:
        if (row.item, row.digest) not in known:
            added.setdefault((row.item, row.digest), row)
    kept = sorted([*stored, *added.values()], key=lambda row: row.time)[-EVENTS_PER_USER:]
    return encode_rows(kept, widths), sum((row.item, row.digest) in added for row in kept)


def _stored_rows(record: bytes, latest: int, first: int) -> list[Row]:
    rows = decode_rows(record)
    if rows[-1].time <= latest:
        return rows
    times = without_future([row.time for row in rows], latest, first)
    return [row._replace(time=time) for row, time in zip(rows, times, strict=True)]


def _append_latest(record: bytes, row: Row) -> bytes | None:
    """Do the common case on bytes: one event, the latest; None if it isn't, `record` itself if it's known."""
    if len(record) < HEAD.size:
        return None
    first, item_bits, type_bits, width, high, low = HEAD.unpack_from(record)
    n = first & ~SECONDS
    gap, rest = divmod(row.time - (high << 32 | low), SECOND if first & SECONDS else 1)
    number = row.item | row.event_type << item_bits | gap << item_bits + type_bits
    start, end = HEAD.size, HEAD.size + n * DIGEST_BYTES
    if len(record) != end + n * width or not 0 < n <= EVENTS_PER_USER:
        return None
    if gap < 0 or rest or row.item >> item_bits or row.event_type >> type_bits or number >> 8 * width:
        return None
    digest = row.digest.to_bytes(DIGEST_BYTES, "little")
    if record.find(digest, start, end) >= 0 and any(
        (row.item, row.digest) == (known.item, known.digest) for known in decode_rows(record)
    ):
        return record
    rows = end
    if n == EVENTS_PER_USER:
        start, rows = start + DIGEST_BYTES, rows + width
    else:
        first += 1
    head = HEAD.pack(first, item_bits, type_bits, width, row.time >> 32, row.time & 0xFFFFFFFF)
    return b"".join((head, record[start:end], digest, record[rows:], number.to_bytes(width, "little")))
