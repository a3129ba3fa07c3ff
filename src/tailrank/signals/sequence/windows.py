"""Stretches of histories, batched by length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Bools, Codes, Offsets
from tailrank.data.histories import Histories
from tailrank.signals.sequence.model import gap_buckets


@dataclass(frozen=True)
class Batch:
    """Stretches padded at their end, each of shape (stretches, length)."""

    items: Codes
    types: Codes
    gaps: Codes
    real: Bools

    def part(self, number: int, parts: int) -> Batch:
        """Give every so manieth stretch: a part of about equal work, empty if there are too few."""
        own = slice(number, None, parts)
        return Batch(self.items[own], self.types[own], self.gaps[own], self.real[own])


@dataclass(frozen=True)
class Windows:
    """Every event once, in stretches of at most `length` events of one user.

    Attributes
    ----------
    source
        The histories.
    starts, ends
        Positions in their flat arrays, shape (windows,).
    gaps
        Bucket of the time since the event before in the same window, shape (events,).
    """

    source: Histories
    starts: Offsets
    ends: Offsets
    gaps: Codes

    @classmethod
    def of(cls, source: Histories, length: int) -> Windows:
        """Cut histories from their latest event backwards, so that only the oldest stretch is short."""
        parts = -(-source.lengths // length)
        owners = np.repeat(np.arange(len(source)), parts)
        nth = np.arange(len(owners)) - np.repeat(np.cumsum(parts) - parts, parts)
        ends = source.offsets[1:][owners] - nth * length
        starts = np.maximum(ends - length, source.offsets[:-1][owners])
        seconds = np.diff(source.times, prepend=source.times[:1])
        seconds[starts] = 0  # the difference to another user's event, or to another stretch's
        return cls(source, starts, ends, gap_buckets(seconds))

    def __len__(self) -> int:
        return len(self.starts)

    def batches(self, events: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Shuffle into batches of about `events` events, of windows that are about equally long."""
        lengths = self.ends - self.starts
        order = rng.permutation(len(self))
        order = order[np.argsort(lengths[order], kind="stable")]
        cuts = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // events)) + 1
        batches = np.split(order, cuts)
        for at in rng.permutation(len(batches)):
            if len(batches[at]):
                yield self._batch(batches[at])

    def _batch(self, rows: Offsets) -> Batch:
        h, lengths = self.source, self.ends[rows] - self.starts[rows]
        real = np.arange(lengths.max()) < lengths[:, None]
        at = np.minimum(self.starts[rows][:, None] + np.arange(lengths.max()), len(h.items) - 1)
        return Batch(h.items[at], h.types[at], self.gaps[at], real)
