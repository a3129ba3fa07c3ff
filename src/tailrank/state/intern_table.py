"""Names in place of which records hold small numbers."""

from __future__ import annotations

from threading import Lock
from typing import Final

import lmdb

from tailrank.state.base import StateError

CODE_BYTES: Final = 4


class InternTable:
    """The names of items, or of event types, that a folder knows, each once.

    Only what is committed gets in: `learn` reads what any process has added since it was called last.
    Codes count from 0 and are never given anew, so what was learnt stays true.
    """

    def __init__(self, kind: str, most: int) -> None:
        self.kind, self.most = kind, most
        self.by_code: list[str] = []
        self.codes: dict[str, int] = {}
        self._learning = Lock()

    def learn(self, txn: lmdb.Transaction[bytes], table: lmdb._Database) -> None:
        """Read the names that were added."""
        with self._learning, txn.cursor(table) as cursor:
            there = cursor.set_range(code_key(len(self.by_code)))
            while there:
                name = cursor.value().decode()
                self.codes[name] = len(self.by_code)
                self.by_code.append(name)
                there = cursor.next()


class Coder:
    """Gives codes to names within one write transaction; `InternTable` learns them once it is committed."""

    def __init__(self, names: InternTable, txn: lmdb.Transaction[bytes], table: lmdb._Database) -> None:
        names.learn(txn, table)
        self._names, self._txn, self._table = names, txn, table
        self._new: dict[str, int] = {}

    def code(self, name: str) -> int:
        """Look a name up, or add it.

        Raises
        ------
        StateError
            Where there are too many.
        """
        known = self._names.codes.get(name)
        if known is None:
            known = self._new.get(name)
        return self._add(name) if known is None else known

    def _add(self, name: str) -> int:
        code = len(self._names.by_code) + len(self._new)
        if code >= self._names.most:
            raise StateError(
                f"{self._names.kind} {name!r} is one too many: a folder knows {self._names.most:,} of them; "
                "compaction forgets those that nobody's past holds"
            )
        self._txn.put(code_key(code), name.encode(), append=True, db=self._table)
        self._new[name] = code
        return code


def code_key(code: int) -> bytes:
    """Write a code so that keys are in the order of codes."""
    return code.to_bytes(CODE_BYTES, "big")
