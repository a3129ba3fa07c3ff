"""Many histories at once as records of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tailrank.arrays import Codes, Offsets
from tailrank.state.bulk import SECOND, BulkHistories
from tailrank.state.checks import latest_time
from tailrank.state.intern_table import RowCoder
from tailrank.state.merging import merge_rows
from tailrank.state.record import (
    DIGEST_BYTES,
    HEAD,
    ITEM_BITS,
    LEAST_GAP_BITS,
    MAX_DIGESTS,
    NARROW,
    SECONDS,
    WORD,
    Row,
    Widths,
    decode_rows,
    encode_rows,
)
from tailrank.state.user_records import UserRecords

_HEAD: Final = np.dtype(
    [("n", "u1"), ("items", "u1"), ("types", "u1"), ("width", "u1"), ("high", "<u2"), ("low", "<u4")]
)
"""`HEAD` for arrays."""


def put_histories(bulk: BulkHistories, users: UserRecords, coder: RowCoder) -> int:
    """Store histories, merged with what is there; returns how many of the events are new.

    Raises
    ------
    ValueError
        If a stored record isn't one.
    TooManyNamesError
        If there is no room for a new name.
    """
    items = _looked_up(bulk.items, bulk.item_ids, coder.items)
    types = _looked_up(bulk.types, bulk.event_types, coder.event_types)
    digests, stored, latest = bulk.digests % MAX_DIGESTS, 0, latest_time()
    widths = coder.widths
    records = encode_histories(bulk.times, items, types, digests, bulk.offsets, widths)
    for key, record, (start, end) in zip(bulk.user_keys, records, bulk.bounds, strict=True):
        number, before = users.find(coder.txn, key)
        if before is None:
            users.put(coder.txn, key, number, record)
            stored += end - start
        elif before != record:
            rows = [*_rows(*(column[start:end] for column in (bulk.times, items, types, digests)))]
            rows = rows if bulk.have_ids else _without_known(rows, before)
            merged, new = merge_rows(before, rows, latest, widths) if rows else (before, 0)
            if new:
                users.put(coder.txn, key, number, merged)
                stored += new
    return stored


def encode_histories(
    times: NDArray[np.int64],
    items: NDArray[np.int64],
    types: NDArray[np.int64],
    digests: NDArray[np.uint32],
    offsets: Offsets,
    least: Widths = NARROW,
) -> Iterator[bytes]:
    """Encode histories as `encode_rows` does, all at once.

    Parameters
    ----------
    times, items, types, digests
        Fields of `Row`, shape (events,).
    offsets
        Where histories begin, and the last one ends; shape (histories + 1,).
    least
        As of `encode_rows`.
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    gaps = np.diff(times, prepend=0)
    gaps[starts] = 0
    inexact = (times % SECOND)[starts] + np.maximum.reduceat(gaps % SECOND, starts) > 0
    gaps //= np.where(inexact, 1, SECOND).repeat(lengths)
    least_gaps = np.where(inexact, LEAST_GAP_BITS[1], LEAST_GAP_BITS[SECOND])
    item_bits, type_bits, gap_bits = (
        np.maximum(low, _most_bits(column, starts))
        for low, column in ((least.item, items), (least.event_type, types), (least_gaps, gaps))
    )
    needed = item_bits + type_bits + gap_bits
    widths = -(-needed // 8)
    if widths.max() > WORD:
        rows = list(_rows(times, items, types, digests))
        return (encode_rows(rows[start:end], least) for start, end in pairwise(offsets))
    item_bits = np.minimum(ITEM_BITS, item_bits + (8 * widths - needed) // 2)
    numbers = items | types << item_bits.repeat(lengths) | gaps << (item_bits + type_bits).repeat(lengths)
    first = lengths | SECONDS * ~inexact
    parts = (
        _heads(first, item_bits, type_bits, widths, times[offsets[1:] - 1]),
        _cut(_low_bytes(digests, np.full(len(digests), DIGEST_BYTES)), DIGEST_BYTES * offsets),
        _cut(_low_bytes(numbers, widths.repeat(lengths)), np.append(0, (lengths * widths).cumsum())),
    )
    return map(b"".join, zip(*parts, strict=True))


def _heads(*columns: NDArray[np.int64]) -> Iterator[bytes]:
    *small, latest = columns
    heads = np.rec.fromarrays([*small, latest >> 32, latest & 0xFFFFFFFF], dtype=_HEAD)
    return iter(heads.view(f"V{HEAD.size}").tolist())


def _most_bits(numbers: NDArray[np.int64], starts: Offsets) -> NDArray[np.int64]:
    """Return the bits that the largest number of each slice needs."""
    return np.frexp(np.maximum.reduceat(numbers, starts).astype(np.float64))[1].astype(np.int64)


def _low_bytes(numbers: NDArray[Any], widths: Offsets) -> NDArray[np.uint8]:
    """Write so many bytes of each number, the lowest first."""
    whole = numbers.astype("<u8").view(np.uint8).reshape(-1, WORD)
    return whole[np.arange(WORD) < widths[:, None]]


def _rows(*columns: NDArray[Any]) -> Iterator[Row]:
    return map(Row, *(column.tolist() for column in columns))


def _without_known(rows: Sequence[Row], record: bytes) -> list[Row]:
    known = {_alike(row) for row in decode_rows(record)}
    return [row for row in rows if _alike(row) not in known]


def _alike(row: Row) -> tuple[int, int, int]:
    return row.item, row.event_type, row.time // SECOND


def _looked_up(
    positions: Codes, names: Sequence[str], codes: Callable[[Sequence[str]], list[int]]
) -> NDArray[np.int64]:
    used, inverse = np.unique(positions, return_inverse=True)
    return np.array(codes([names[at] for at in used.tolist()]), np.int64)[inverse]


def _cut(array: NDArray[np.generic], ends: Offsets) -> Iterator[bytes]:
    """Cut an array's bytes at ascending positions, the first of which is 0."""
    whole = array.tobytes()
    return (whole[start:end] for start, end in pairwise(ends.tolist()))
