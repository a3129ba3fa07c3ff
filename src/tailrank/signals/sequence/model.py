"""`SequenceModel`: what ranks. Plain NumPy, so that a server needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets, Seconds
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.sequence.forward import LARGEST_WEIGHT, Transformer
from tailrank.signals.sequence.recall import Recall
from tailrank.signals.stored import StoredArrays

BATCH: Final = 256

CACHED: Final = 4_096
"""Histories whose vectors are kept: with 50 events and 128 dimensions about 6 MB."""

SCATTER: Final = np.uint32(2_654_435_761)
"""Multiplier that scatters codes (Knuth, 1998, "The Art of Computer Programming", volume 3, section 6.4)."""

GAPS: Final = 24
"""Time between events in powers of two of a minute, up to sixteen years; 0 also if it isn't known."""


def gap_buckets(seconds: Seconds) -> Codes:
    """Sort times between events into `GAPS` buckets by their logarithm.

    Examples
    --------
    >>> gap_buckets(np.array([0.0, 60.0, 3600.0, 86_400.0, 1e12])).tolist()
    [0, 1, 5, 10, 23]
    """
    return np.minimum(np.log2(1 + seconds / 60), GAPS - 1).astype(np.int32)


@dataclass(frozen=True)
class SequenceModel:
    """Next-item logits of a causal transformer (SASRec; Kang and McAuley, 2018) over item vectors.

    ``score(c) = encode(history) . table[c]``. The vector of an item is a learned map of its whitened
    text vector plus a residual of its own that starts at zero, so that a rare item is placed by its text.
    Items without any events share one vector: the map has learned from the texts of the others, and fusion,
    which learns what new items are worth by treating some of those as new, would trust it too much.
    A history starts with a learned token, so that an empty one is scored too.

    Attributes
    ----------
    table
        Vectors of the items, width d.
    network
        From the vectors of a history's items to that of the next one.
    cold
        Vector of an item without events, and of one that comes later, shape (d,): the mean of the least known
        items'. Those are pushed down as negatives of every step, and a zero would outrank them all.
    slack
        Events by which the window of a long history may fall short of `network.length`, so that it seldom
        moves; 0 in models of before that.
    recall
        What it made of histories lately.
    """

    table: VectorTable
    network: Transformer
    cold: Floats
    slack: int = 0
    recall: Recall = field(default_factory=Recall, repr=False, compare=False)

    name: ClassVar[str] = "sequence"

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Encode each history and compare it with the candidates; shape (histories, candidates)."""
        values = self.table.vectors.whole if candidates.whole else self.table.take(candidates.codes)
        encoded = self._encode_cached(histories) if len(histories) == 1 else self.encode(histories)
        scores: Floats = encoded @ values.T
        return self.table.by_item(scores) if candidates.whole else scores

    def by_event(self, histories: Histories, candidates: Candidates) -> None:
        """Give nothing: a transformer mixes its events, so none has a share of its own."""
        return

    def encode(self, histories: Histories) -> Floats:
        """Turn each history into the vector that its next item should resemble; (histories, d)."""
        h = self._windows(histories)
        events = _columns(h.items, h.types, h.times, h.offsets)
        encoded = np.empty((len(h), self.table.width), np.float32)
        # Histories of one length make a rectangle without padding, so a batch equals its single rows.
        for length in sorted(set(h.lengths.tolist())):
            rows = np.flatnonzero(h.lengths == length)
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                items, types, gaps = np.moveaxis(events[h.offsets[some][:, None] + np.arange(length)], -1, 0)
                encoded[some] = self.network.forward(self.table.take(items), types, gaps)
        return encoded

    def _windows(self, histories: Histories) -> Histories:
        """Keep the events that the network reads.

        The window of a long history doesn't move with every event. It starts at one of the oldest events that
        fit, chosen by its item alone, so that it is the same one until a while later.
        """
        h = histories.latest(self.network.length)
        full = h.lengths == self.network.length
        if not self.slack or not full.any():
            return h
        starts = h.offsets[:-1].copy()
        starts[full] += _anchors(h.items.take(starts[full, None] + np.arange(self.slack + 1)))
        return h.cut(starts, h.offsets[1:])

    def _start(self, items: Codes) -> int:
        """Find where the window of one history starts, as `_windows` does."""
        start = max(0, len(items) - self.network.length)
        if not self.slack or len(items) < self.network.length:
            return start
        return start + int(_anchors(items[start : start + self.slack + 1]))

    def with_items(self, updates: ItemUpdates) -> Self:
        """Give new items the vector that they share; known ones keep theirs, whatever their texts are now."""
        new = updates.codes[updates.codes >= len(self.table)]
        vectors = self.cold[None].repeat(len(new), axis=0)
        return replace(self, table=self.table.with_vectors(new, updates.n_items, vectors))

    def arrays(self) -> Arrays:
        """Give the items' vectors and the weights."""
        network = {f"network/{name}": array for name, array in self.network.weights.items()}
        sizes = {"heads": np.array([self.network.heads]), "slack": np.array([self.slack])}
        return {**self.table.arrays(), **network, "cold": self.cold, **sizes}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the items' vectors and the weights."""
        bounds = {"least": -LARGEST_WEIGHT, "largest": LARGEST_WEIGHT}
        former = "cold_residual" in arrays  # once, a map placed new items by their texts
        cold = arrays.floats("cold_residual" if former else "cold", None, **bounds)
        width = len(cold)
        table = VectorTable.from_arrays(arrays, width, LARGEST_WEIGHT)
        cold = table.vectors.whole.mean(axis=0) if former else cold
        network = Transformer.from_arrays(
            arrays.part("network"), width, GAPS, arrays.whole_number("heads", 1, max(width, 1))
        )
        slack = arrays.whole_number("slack", 0, network.length) if "slack" in arrays else 0
        return cls(table, network, cold, min(slack, network.length - 1))

    def _encode_cached(self, history: Histories) -> Floats:
        """Encode one history, unless that was done lately: a user sees several lists between two events."""
        return self._encode_once(*(a.tobytes() for a in (history.items, history.types, history.times)))

    @cached_property
    def _encode_once(self) -> Callable[..., Floats]:
        @lru_cache(CACHED)
        def encode(*columns: bytes) -> Floats:
            items, types, times = map(np.frombuffer, columns, (np.int32, np.int32, np.float64))
            seen = slice(self._start(items), None)
            events = _columns(items[seen], types[seen], times[seen], 0)
            encoded = self.recall.encode(events, self.table, self.network)
            encoded.flags.writeable = False
            return encoded

        return encode


def _anchors(oldest: Codes) -> Offsets:
    """Choose one of the oldest events of each window by its item; shape (..., events) to (...)."""
    found: Offsets = (oldest.astype(np.uint32) * SCATTER).argmin(axis=-1)
    return found


def _columns(items: Codes, types: Codes, times: Seconds, starts: Offsets | int) -> Codes:
    """Give the item, the type and the gap of each event, shape (events, 3); at starts there is no gap."""
    seconds = np.zeros(len(times) + 1)
    seconds[1:-1] = times[1:] - times[:-1]
    seconds[starts] = 0
    columns = np.empty((len(times), 3), np.int32)
    columns[:, 0], columns[:, 1], columns[:, 2] = items, types, gap_buckets(seconds[:-1])
    return columns
