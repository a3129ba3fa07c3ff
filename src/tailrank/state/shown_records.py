"""What users were shown lately, in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tailrank.bounds import LISTS_SHOWN
from tailrank.state.environment import Table, Txn, read_pairs
from tailrank.state.shown_lists import times_shown

SWEPT: Final = 2
"""Records that are looked at for expired ones with each list: more than it can add."""

_RECORD: Final = msgspec.msgpack.Decoder(list[bytes])


class ShownRecords:
    """Lists by user id, of a folder.

    Parameters
    ----------
    tables
        Of the folder.
    seconds
        For how long lists are kept.
    """

    def __init__(self, tables: Mapping[bytes, Table], seconds: float) -> None:
        self._table, self._seconds = tables[b"shown"], seconds
        self._sweep_from = b""

    def get(self, txn: Txn, user: bytes) -> list[bytes]:
        """Return the encoded lists of a user, the oldest first."""
        record = txn.get(user, db=self._table)
        return [] if record is None else _RECORD.decode(record)

    def add(self, txn: Txn, lists: Sequence[tuple[bytes, bytes]]) -> None:
        """Add encoded lists, each with its user, in order of time; drop some that expired."""
        for user, encoded in lists:
            kept = [*self.get(txn, user), encoded][-LISTS_SHOWN:]
            txn.put(user, msgspec.msgpack.encode(kept), db=self._table)
            self._sweep(txn)

    def delete(self, txn: Txn, user: bytes) -> bool:
        """Delete the lists of a user; returns whether there were any."""
        return txn.delete(user, db=self._table)

    def _sweep(self, txn: Txn) -> None:
        pairs = read_pairs(txn, self._table, self._sweep_from, SWEPT)
        self._sweep_from = pairs[-1][0] + b"\0" if len(pairs) == SWEPT else b""
        for user, record in pairs:
            if not times_shown(_RECORD.decode(record)[-1:], self._seconds):
                self.delete(txn, user)
