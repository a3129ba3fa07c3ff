"""Many histories at once as records of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tailrank.arrays import Codes, Offsets
from tailrank.state.bulk import SECOND, BulkHistories
from tailrank.state.checks import latest_time
from tailrank.state.environment import Table
from tailrank.state.intern_table import RowCoder
from tailrank.state.record import (
    HEAD,
    LONG_GAP,
    LONG_GAP_BYTES,
    RARE_TYPE,
    ROW,
    TYPE_BITS,
    Row,
    decode_rows,
    encode_rows,
    joined_codes,
    merge_rows,
)

_HEAD: Final = np.dtype([("n", "u1"), ("high", "<u2"), ("low", "<u4")])
"""`HEAD` for arrays."""


def put_histories(bulk: BulkHistories, users: Table, coder: RowCoder) -> int:
    """Store histories, merged with what is there; returns how many of the events are new.

    Raises
    ------
    ValueError
        If a stored record isn't one.
    TooManyNamesError
        If there is no room for a new name.
    """
    codes, stored, latest = _codes(bulk, coder), 0, latest_time()
    records = encode_histories(bulk.times, codes, bulk.digests, bulk.offsets)
    for key, record, (start, end) in zip(bulk.user_keys, records, bulk.bounds, strict=True):
        before = coder.txn.get(key, db=users)
        if before is None:
            coder.txn.put(key, record, db=users)
            stored += end - start
        elif before != record:
            rows = _rows(bulk.times[start:end], codes[start:end], bulk.digests[start:end])
            rows = rows if bulk.have_ids else _without_known(rows, before)
            merged, new = merge_rows(before, rows, latest) if rows else (before, 0)
            if new:
                coder.txn.put(key, merged, db=users)
                stored += new
    return stored


def encode_histories(
    times: NDArray[np.int64], codes: NDArray[np.int64], digests: NDArray[np.uint32], offsets: Offsets
) -> Iterator[bytes]:
    """Encode histories as `encode_rows` does, all at once.

    Parameters
    ----------
    times, codes, digests
        Fields of `Row`, shape (events,).
    offsets
        Where histories begin, and the last one ends; shape (histories + 1,).
    """
    if (codes & RARE_TYPE == RARE_TYPE).any():
        rows = _rows(times, codes, digests)
        return (encode_rows(rows[start:end]) for start, end in pairwise(offsets))
    gaps = np.diff(times, prepend=0)
    gaps[offsets[:-1]] = 0
    latest, is_long = times[offsets[1:] - 1], gaps >= LONG_GAP
    heads = np.empty(len(latest), _HEAD)
    heads["n"], heads["high"], heads["low"] = np.diff(offsets), latest >> 32, latest & LONG_GAP
    columns = np.stack([codes, digests, np.minimum(gaps, LONG_GAP)], axis=1).astype("<u4")
    n_long = np.concatenate([[0], np.cumsum(is_long)])[offsets]
    parts = (
        heads.view(f"V{HEAD.size}").tolist(),
        _cut(columns, ROW.size * offsets),
        _cut(gaps[is_long].astype("<i8"), LONG_GAP_BYTES * n_long),
    )
    return map(b"".join, zip(*parts, strict=True))


def _rows(times: NDArray[np.int64], codes: NDArray[np.int64], digests: NDArray[np.uint32]) -> list[Row]:
    return list(map(Row, times.tolist(), codes.tolist(), digests.tolist()))


def _without_known(rows: Sequence[Row], record: bytes) -> list[Row]:
    known = {(row.codes, row.time // SECOND) for row in decode_rows(record)}
    return [row for row in rows if (row.codes, row.time // SECOND) not in known]


def _codes(bulk: BulkHistories, coder: RowCoder) -> NDArray[np.int64]:
    """Look up the codes of each event, adding names that are new."""
    items = _looked_up(bulk.items, bulk.item_ids, coder.items)
    types = _looked_up(bulk.types, bulk.event_types, coder.event_types)
    if types.max() < RARE_TYPE:
        return types | items << TYPE_BITS
    return np.array(list(map(joined_codes, types.tolist(), items.tolist())), np.int64)


def _looked_up(
    positions: Codes, names: Sequence[str], codes: Callable[[Sequence[str]], list[int]]
) -> NDArray[np.int64]:
    used, inverse = np.unique(positions, return_inverse=True)
    return np.array(codes([names[at] for at in used.tolist()]), np.int64)[inverse]


def _cut(array: NDArray[np.generic], ends: Offsets) -> Iterator[bytes]:
    """Cut an array's bytes at ascending positions, the first of which is 0."""
    whole = array.tobytes()
    return (whole[start:end] for start, end in pairwise(ends.tolist()))
