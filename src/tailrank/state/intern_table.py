"""Intern tables: records store small codes instead of the names of items and event types."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Final

import lmdb

from tailrank.state.base import StateError
from tailrank.state.record import MAX_ITEMS, MAX_TYPES, TYPE_BITS

CODE_BYTES: Final = 4


class InternTable:
    """All names of one sort in a folder, each with its code.

    Only committed names get in: `refresh` reads what any process has added since the last call. Codes count
    from 0 and are never reassigned, so what was read stays true.

    Parameters
    ----------
    label
        The sort, for messages.
    capacity
        How many names there may be.
    """

    def __init__(self, label: str, capacity: int) -> None:
        self.label, self.capacity = label, capacity
        self.names: list[str] = []
        self.codes: dict[str, int] = {}
        self._refreshing = Lock()

    def refresh(self, txn: lmdb.Transaction[bytes], table: lmdb._Database) -> None:
        """Read the names that were added."""
        with self._refreshing, txn.cursor(table) as cursor:
            for _, name in cursor if cursor.set_range(_key(len(self.names))) else ():
                self.codes[name.decode()] = len(self.names)
                self.names.append(name.decode())


class FolderNames:
    """The names of items and event types of a folder."""

    def __init__(self) -> None:
        self.items, self.types = InternTable("item", MAX_ITEMS), InternTable("event type", MAX_TYPES)

    def refresh(self, txn: lmdb.Transaction[bytes], tables: Mapping[bytes, lmdb._Database]) -> None:
        """Read the names that were added."""
        self.items.refresh(txn, tables[b"items"])
        self.types.refresh(txn, tables[b"types"])

    def of(self, codes: int) -> tuple[str, str]:
        """Look up the item and the event type of a row's codes."""
        return self.items.names[codes >> TYPE_BITS], self.types.names[codes % MAX_TYPES]


class RowCoder:
    """Codes of rows within one write transaction; new names are in `FolderNames` once it is committed."""

    def __init__(
        self, names: FolderNames, txn: lmdb.Transaction[bytes], tables: Mapping[bytes, lmdb._Database]
    ) -> None:
        self._items = _NameInterner(names.items, txn, tables[b"items"])
        self._types = _NameInterner(names.types, txn, tables[b"types"])

    def codes(self, item: str, event_type: str) -> int:
        """Return a row's codes, adding the names if they are new.

        Raises
        ------
        StateError
            If there are too many names.
        """
        return self._types.code(event_type) | self._items.code(item) << TYPE_BITS


class _NameInterner:
    def __init__(self, names: InternTable, txn: lmdb.Transaction[bytes], table: lmdb._Database) -> None:
        names.refresh(txn, table)
        self._committed, self._txn, self._table = names, txn, table
        self._added: dict[str, int] = {}

    def code(self, name: str) -> int:
        code = self._committed.codes.get(name)
        if code is None:
            code = self._added.get(name)
        return self._add(name) if code is None else code

    def _add(self, name: str) -> int:
        code = len(self._committed.names) + len(self._added)
        if code >= self._committed.capacity:
            raise StateError(
                f"{self._committed.label} {name!r} is one too many: a folder holds "
                f"{self._committed.capacity:,} of them; compaction drops those that no history uses"
            )
        self._txn.put(_key(code), name.encode(), append=True, db=self._table)
        self._added[name] = code
        return code


def _key(code: int) -> bytes:
    """Write a code as a key: keys sort as codes do."""
    return code.to_bytes(CODE_BYTES, "big")
