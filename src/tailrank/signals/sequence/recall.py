"""What a sequence model made of histories lately, so that one more event costs one position."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.signals.appendable import VectorTable
from tailrank.signals.sequence.forward import Transformer

REMEMBERED: Final = 1_024
"""Histories that are remembered; with 50 events, 128 dimensions and two blocks 54 MB."""

STEPS: Final = 4
"""New events up to which going on is quicker than reading the history again."""

COLUMNS: Final = 3
"""Of an event: the codes of its item, its type and the gap before it."""

SIZE: Final = COLUMNS * np.dtype(np.int32).itemsize
"""Of an event in a key, in bytes."""


@dataclass(frozen=True)
class Memory:
    """A history, what each block saw of it, and what came out."""

    key: bytes
    seen: list[Floats]
    encoded: Floats


@dataclass(frozen=True)
class Recall:
    """Encodes single histories, and goes on from what it remembers of them.

    Histories are remembered by all events but the latest. So a user takes up one memory, which the next event
    replaces, and which serves if the same history comes again, with one more event, or with another latest.

    It is told the same network each time. Vectors may be added to the table, but not change.
    """

    _memories: OrderedDict[bytes, Memory] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def encode(self, events: Codes, table: VectorTable, network: Transformer) -> Floats:
        """Encode one history of at most `network.length` events, shape (events, `COLUMNS`); (1, d)."""
        key = events.tobytes()
        memory = self._take(key)
        if memory is None:
            memory = _read(key, events, table, network)
        elif memory.key != key:
            memory = _continued(memory, key, events, table, network)
        with self._lock:
            self._memories[key[:-SIZE]] = memory
            if len(self._memories) > REMEMBERED:
                self._memories.popitem(last=False)
        return memory.encoded

    def _take(self, key: bytes) -> Memory | None:
        """Take out what helps most."""
        with self._lock:
            for end in range(len(key) - SIZE, max(len(key) - (STEPS + 1) * SIZE, -1), -SIZE):
                found = self._memories.pop(key[:end], None)
                if found is not None:
                    return found
        return None


def _read(key: bytes, events: Codes, table: VectorTable, network: Transformer) -> Memory:
    """Read a whole history."""
    items, types, gaps = events.T[:, None]
    encoded, found = network.trace(table.take(items), types, gaps)
    seen = []
    for rows in found:
        seen.append(np.empty((1, network.length + 1, rows.shape[2]), np.float32))
        seen[-1][:, : rows.shape[1]] = rows
    return Memory(key, seen, encoded)


def _continued(memory: Memory, key: bytes, events: Codes, table: VectorTable, network: Transformer) -> Memory:
    """Go on behind the events that are the same; what was seen of others is overwritten."""
    same = len(memory.key) if key.startswith(memory.key) else len(memory.key) - SIZE
    encoded = memory.encoded
    for at in range(same // SIZE, len(events)):
        items, types, gaps = events[at : at + 1].T[:, None]
        encoded = network.extend(memory.seen, at + 1, table.take(items), types, gaps)
    return Memory(key, memory.seen, encoded)
