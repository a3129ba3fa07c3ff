"""Intern tables: records store small codes instead of the names of items and event types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

from tailrank.state.base import StateError
from tailrank.state.environment import Table, Txn
from tailrank.state.record import MAX_ITEMS, MAX_TYPES, Widths

CODE_BYTES: Final = 4
"""Of a key: big-endian, so that keys sort as codes do."""


class TooManyNamesError(StateError):
    """A name is new, and the folder holds as many as it can."""


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
    table
        Where they are stored.
    """

    def __init__(self, label: str, capacity: int, table: Table) -> None:
        self.label, self.capacity, self.table = label, capacity, table
        self.names: list[str] = []
        self.codes: dict[str, int] = {}
        self._refreshing = Lock()

    def refresh(self, txn: Txn) -> None:
        """Read the names that were added."""
        with self._refreshing, txn.cursor(self.table) as cursor:
            for _, name in cursor if cursor.set_range(len(self.names).to_bytes(CODE_BYTES, "big")) else ():
                self.codes[name.decode()] = len(self.names)
                self.names.append(name.decode())


class FolderNames:
    """The names of items and event types of a folder."""

    def __init__(self, tables: Mapping[bytes, Table]) -> None:
        self.items = InternTable("item", MAX_ITEMS, tables[b"items"])
        self.types = InternTable("event type", MAX_TYPES, tables[b"types"])

    def refresh(self, txn: Txn) -> None:
        """Read the names that were added."""
        self.items.refresh(txn)
        self.types.refresh(txn)

    def lookup(self, items: Sequence[int], types: Sequence[int]) -> tuple[list[str], list[str]]:
        """Look up the items and the event types of rows.

        Raises
        ------
        IndexError
            If a name isn't known, perhaps because another process has added it.
        """
        item_names, type_names = self.items.names, self.types.names
        return [item_names[code] for code in items], [type_names[code] for code in types]


class RowCoder:
    """Codes of rows within one write transaction; new names are in `FolderNames` once it is committed."""

    def __init__(self, names: FolderNames, txn: Txn) -> None:
        names.refresh(txn)
        self.txn, self._names = txn, names
        self._added: dict[InternTable, dict[str, int]] = {names.items: {}, names.types: {}}

    def codes(self, item: str, event_type: str) -> tuple[int, int]:
        """Return the codes of an item and an event type, adding the names if they are new.

        Raises
        ------
        TooManyNamesError
            If there is no room for a new name.
        """
        return self._code(self._names.items, item), self._code(self._names.types, event_type)

    @property
    def widths(self) -> Widths:
        """The bits of all codes so far."""
        sizes = [len(table.names) + len(added) for table, added in self._added.items()]
        return Widths(*((size - 1).bit_length() for size in sizes))

    def items(self, names: Sequence[str]) -> list[int]:
        """Return the codes of items; raises as `codes`."""
        return self._all_codes(self._names.items, names)

    def event_types(self, names: Sequence[str]) -> list[int]:
        """Return the codes of event types; raises as `codes`."""
        return self._all_codes(self._names.types, names)

    def _all_codes(self, committed: InternTable, names: Sequence[str]) -> list[int]:
        known = map(committed.codes.get, names)
        return [
            self._code(committed, name) if code is None else code
            for name, code in zip(names, known, strict=True)
        ]

    def _code(self, committed: InternTable, name: str) -> int:
        code = committed.codes.get(name)
        if code is not None:
            return code
        added = self._added[committed]
        if name not in added:
            code = len(committed.names) + len(added)
            if code >= committed.capacity:
                raise TooManyNamesError(
                    f"{committed.label}: the state holds {committed.capacity:,} different ones, and this is "
                    "one more: send one of those; `tailrank compact` drops those that no history uses"
                )
            key = code.to_bytes(CODE_BYTES, "big")
            self.txn.put(key, name.encode(), append=True, db=committed.table)
            added[name] = code
        return added[name]
