"""`SequenceModel`: what ranks. Plain NumPy, so that a server needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets, Seconds
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import Histories
from tailrank.errors import RequestError
from tailrank.metrics.popularity import count_buckets
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import Arrays, ItemUpdates, as_array
from tailrank.signals.sequence.forward import LARGEST_WEIGHT, Transformer
from tailrank.signals.sequence.recall import Recall
from tailrank.signals.stored import StoredArrays

BATCH: Final = 256

SPACE: Final = "semantic"
"""Vector space that item vectors start from, if the model has one of that name."""

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
    text vector plus a residual of its own that starts at zero, so that a cold item is placed by its text.
    A history starts with a learned token, so that an empty one is scored too.

    Attributes
    ----------
    table
        Vectors of the items, width d.
    network
        From the vectors of a history's items to that of the next one.
    cold_residual
        Residual of an item that comes later, shape (d,): the mean of the least known items'. Those are
        pushed down as negatives of every step, and a zero would outrank them all.
    map
        From whitened text vectors to item vectors, shape (dimensions, d); None if items were learned by
        their ids alone, or cold ones aren't placed by their texts.
    space
        Name of the vector space that `map` starts from.
    slack
        Events by which the window of a long history may fall short of `network.length`, so that it seldom
        moves; 0 in models of before that.
    recall
        What it made of histories lately.
    """

    table: VectorTable
    network: Transformer
    cold_residual: Floats
    map: Floats | None = None
    space: str = SPACE
    slack: int = 0
    recall: Recall = field(default_factory=Recall, repr=False, compare=False)

    name: ClassVar[str] = "sequence"

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Encode each history and compare it with the candidates; shape (histories, candidates)."""
        values = self.table.vectors.whole if candidates.whole else self.table.take(candidates.codes)
        encoded = self._encode_cached(histories) if len(histories) == 1 else self.encode(histories)
        scores: Floats = encoded @ values.T
        return self.table.by_item(scores) if candidates.whole else scores

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Encode each history and compare it with its own candidates; shape (pairs,)."""
        scores = np.empty(len(lists), np.float32)
        for encoded, pairs in zip(self.encode(histories)[:, None], lists.slices, strict=True):
            scores[pairs] = (encoded @ self.table.take(lists.codes[pairs]).T)[0]
        return scores

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
        """Move changed items as far as the map moves their texts; new ones go where it puts theirs.

        Without a map, all new items share one vector and known ones stay.

        Raises
        ------
        RequestError
            If there is a map, but no vector for it.
        """
        vectors = self.cold_residual[None].repeat(len(updates.codes), axis=0)
        known = updates.codes < len(self.table)
        vectors[known] = self.table.take(updates.codes[known])
        if self.map is not None:
            if self.space not in updates.vectors:
                raise RequestError(
                    f"the sequence model needs vectors of new items in the space {self.space!r}"
                )
            vectors += (updates.vectors[self.space] - updates.previous_vectors[self.space]) @ self.map
        table = self.table.with_vectors(updates.codes, updates.n_items, vectors)
        return replace(self, table=table, recall=Recall() if known.any() else self.recall)

    def unplaced(self, counts: Offsets) -> Self:
        """Place no cold item by its text: those without events share the mean vector of the least known ones.

        The map has learned from every item with events. If it is judged by some of these as if they were new,
        it is trusted more than real new items deserve.

        Parameters
        ----------
        counts
            Interactions of each item, shape (items,).
        """
        buckets, vectors = count_buckets(counts), self.table.vectors.whole.copy()
        cold = vectors[buckets == buckets.min()].mean(axis=0)
        vectors[counts == 0] = cold
        return replace(self, table=VectorTable.from_array(vectors), cold_residual=cold, map=None)

    def arrays(self) -> Arrays:
        """Give the items' vectors, the weights and the map."""
        network = {f"network/{name}": array for name, array in self.network.weights.items()}
        rest: Arrays = {"cold_residual": self.cold_residual, "space": as_array(self.space)}
        rest = rest if self.map is None else {**rest, "map": self.map}
        sizes = {"heads": np.array([self.network.heads]), "slack": np.array([self.slack])}
        return {**self.table.arrays(), **network, **rest, **sizes}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the items' vectors, the weights and the map."""
        bounds = {"least": -LARGEST_WEIGHT, "largest": LARGEST_WEIGHT}
        cold_residual = arrays.floats("cold_residual", None, **bounds)
        width = len(cold_residual)
        table = VectorTable.from_arrays(arrays, width, LARGEST_WEIGHT)
        network = Transformer.from_arrays(
            arrays.part("network"), width, GAPS, arrays.whole_number("heads", 1, max(width, 1))
        )
        mapping = arrays.floats("map", None, width, **bounds) if "map" in arrays else None
        slack = arrays.whole_number("slack", 0, network.length) if "slack" in arrays else 0
        return cls(
            table, network, cold_residual, mapping, arrays.text("space"), min(slack, network.length - 1)
        )

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
