"""The records of users in a folder, in the order in which the users came.

Records in the order of ids would leave a third of every page empty, since users come in any order. So each
user has a number, the next one when they come, and only the small table of numbers is in the order of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrank.state.environment import Pairs, Table, Txn, read_pairs
from tailrank.state.former_record import decode_former
from tailrank.state.record import encode_rows

NUMBER_BYTES: Final = 4
"""Of a key: big-endian, so that keys sort as numbers do."""


class UserRecords:
    """Records by user id.

    Parameters
    ----------
    tables
        Of the folder. In `users` are records of folders of an earlier format, each until it is written anew.
    """

    def __init__(self, tables: Mapping[bytes, Table]) -> None:
        self._numbers, self._records, self._former = (tables[t] for t in (b"numbers", b"records", b"users"))

    def get(self, txn: Txn, user: bytes) -> bytes | None:
        """Return a user's record; None if there is none.

        Raises
        ------
        ValueError
            If it is one of an earlier format, and damaged.
        """
        return self.find(txn, user)[1]

    def find(self, txn: Txn, user: bytes) -> tuple[bytes | None, bytes | None]:
        """Return a user's number and record, as far as there are any; raises as `get`."""
        number = txn.get(user, db=self._numbers)
        if number is not None:
            return number, txn.get(number, db=self._records)
        former = txn.get(user, db=self._former)
        return None, None if former is None else encode_rows(decode_former(former))

    def put(self, txn: Txn, user: bytes, number: bytes | None, record: bytes) -> None:
        """Store a user's record in place of what `find` found."""
        if number is not None:
            txn.put(number, record, db=self._records)
            return
        number = self._next_number(txn)
        txn.put(number, record, append=True, db=self._records)
        with txn.cursor(self._numbers) as cursor:
            # Pages are filled to the end by users who come in the order of their ids.
            cursor.put(user, number, append=not cursor.last() or user > cursor.key())
        txn.delete(user, db=self._former)

    def delete(self, txn: Txn, user: bytes) -> bool:
        """Delete a user's record; returns whether there was one."""
        number = txn.get(user, db=self._numbers)
        if number is None:
            return txn.delete(user, db=self._former)
        txn.delete(user, db=self._numbers)
        return txn.delete(number, db=self._records)

    def page(self, txn: Txn, start: bytes, n: int) -> Pairs:
        """Return at most `n` users and their records, in the order of ids, from one on; raises as `get`."""
        tables = self._numbers, self._former
        users = sorted(user for table in tables for user, _ in read_pairs(txn, table, start, n))[:n]
        found = ((user, self.get(txn, user)) for user in users)
        return [(user, record) for user, record in found if record is not None]

    def _next_number(self, txn: Txn) -> bytes:
        with txn.cursor(self._records) as cursor:
            latest = int.from_bytes(cursor.key(), "big") if cursor.last() else -1
        return (latest + 1).to_bytes(NUMBER_BYTES, "big")
