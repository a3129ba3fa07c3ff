"""Items that follow one another, counted for some items at a time from blocks of users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np

from tailrank.arrays import Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets
from tailrank.signals.strongest import NEIGHBOURS, strongest
from tailrank.signals.user_blocks import Block, Blocks, firsts

if TYPE_CHECKING:
    import scipy.sparse as sp

STEP_BITS: Final = 4
"""Of a key, for how many steps two events are apart; above them are the direction and the pair of items."""

FEW: Final = 1_000
"""Additions that a table holds the sums of."""


class _Counts(NamedTuple):
    """How often each of the ascending keys occurs; two arrays of shape (keys,)."""

    keys: Offsets
    times: Offsets


@dataclass(frozen=True)
class FollowingPairs:
    """Items that follow one another, as `CoVisitation` sums and damps them.

    Counts by steps are whole numbers, which add up in any order. Single precision makes a sum of them that
    depends on the numbers alone.

    Attributes
    ----------
    window, backward, source_damping, target_damping
        As of `CoVisitation`; at most 15 steps.
    """

    distinct: ClassVar[bool] = False

    window: int
    backward: float
    source_damping: float
    target_damping: float

    def met(self, block: Block) -> Offsets:
        """Bound them by the window."""
        met: Offsets = 2 * self.window * np.diff(block.starts)
        return met

    def widest(self, dataset: Dataset) -> int:
        """Bound the counts by directions and steps of the items near one, and of its events."""
        return 2 * self.window * min(dataset.n_items, int(dataset.counts.max(initial=0)))

    def rows(self, read: Blocks, cut: Sequence[slice], totals: Offsets, at_once: int) -> list[Any]:
        """Count by pair, direction and step, block after block, then sum 1 / step."""
        bits = len(totals).bit_length()
        found: list[Any] = [_Counts(np.zeros(0, np.int64), np.zeros(0, np.int64))] * len(cut)
        for number, block in enumerate(read, start=1):
            for at, rows in enumerate(cut):
                for more in self._counted(block, rows, bits, at_once):
                    found[at] = _added(found[at], more)
                if number == len(read):
                    found[at] = self._strongest(found[at], rows, totals, bits)
        return found

    def _strongest(self, counts: _Counts, rows: slice, totals: Offsets, bits: int) -> sp.csr_array:
        """Sum, damp, and keep the strongest of each row."""
        import scipy.sparse as sp

        n_rows = rows.stop - rows.start
        pairs, values = self._summed(counts)
        first, second = pairs >> bits, pairs & (1 << bits) - 1
        bounds = flat_offsets(np.bincount(first, minlength=n_rows))
        found = sp.csr_array((values, second.astype(np.int32), bounds), shape=(n_rows, len(totals)))
        damp(found, rows, totals, self.source_damping, self.target_damping)
        return strongest(found, NEIGHBOURS)

    def _counted(self, block: Block, rows: slice, bits: int, at_once: int) -> Iterator[_Counts]:
        """Count a block's keys, some events at a time."""
        at, starts = block.of_items(rows)
        first = np.arange(len(starts) - 1).repeat(np.diff(starts)) << bits
        size = max(1, at_once // self.window)
        for begin in range(0, len(first), size):
            part = slice(at.start + begin, min(at.start + begin + size, at.stop))
            keys = self._keys(block, part, first[begin : begin + size])
            keys.sort(kind="stable")
            starts_of = firsts(keys)
            yield _Counts(keys[starts_of], np.diff(starts_of, append=len(keys)))

    def _keys(self, block: Block, part: slice, first: Offsets) -> Offsets:
        """Make a key of each event around each of some events of a block."""
        positions, users = block.positions[part], block.users[part]
        before = positions - block.offsets[users]
        after = block.offsets[users + 1] - 1 - positions
        own, keys = block.items[positions], np.full((2 * self.window, len(first)), -1)
        for step in range(1, self.window + 1):
            for backward, room in enumerate((after, before)):
                near = np.flatnonzero(room >= step)
                other = block.items[positions[near] + (-step if backward else step)]
                pairs = np.where(other != own[near], first[near] + other, -1)
                keys[2 * step - 1 - backward, near] = ((pairs << 1) + backward << STEP_BITS) + step
        found: Offsets = keys.T.ravel()  # row by row, so that each row is sorted by itself
        return found[found > 0]

    def _summed(self, counts: _Counts) -> tuple[Offsets, Floats]:
        """Sum over steps and directions; gives ascending pairs, and the sum of each."""
        values = _repeated(counts.keys & (1 << STEP_BITS) - 1, counts.times)
        directed = counts.keys >> STEP_BITS
        starts = firsts(directed)
        lengths, sums, directed = np.diff(starts, append=len(directed)), values[starts], directed[starts]
        for nth in range(1, self.window):
            more = np.flatnonzero(lengths > nth)
            sums[more] += values[starts[more] + nth]
        backward = directed & 1 == 1
        pairs = directed >> 1
        starts = firsts(pairs)
        which = np.zeros(len(pairs), np.int64)
        which[starts[1:]] = 1
        both = np.zeros((2, len(starts)), np.float32)
        both[backward.astype(np.int64), which.cumsum()] = sums
        return pairs[starts], both[0] + self.backward * both[1]


def _repeated(steps: Offsets, times: Offsets) -> Floats:
    """Add 1 / step so many times, one by one in single precision."""
    few = int(min(times.max(initial=0), FEW)) + 1
    table = np.zeros((1 << STEP_BITS, few), np.float32)
    table[1:, 1:] = 1 / np.arange(1, 1 << STEP_BITS)[:, None]
    np.add.accumulate(table, axis=1, out=table)
    sums: Floats = table[steps, np.minimum(times, few - 1)]
    for at in np.flatnonzero(times > FEW):
        sums[at] = np.add.accumulate(np.full(times[at], 1 / steps[at], np.float32))[-1]
    return sums


def damp(pairs: Any, rows: slice, totals: Offsets, source: float, target: float) -> None:
    """Divide row i by `totals[i] ** source` and column j by `totals[j] ** target`, in place.

    Parameters
    ----------
    pairs
        Some rows, shape (rows, items).
    rows
        Codes of their items.
    totals
        Events of each item, shape (items,).
    source, target
        Powers.
    """
    known = np.maximum(totals, 1).astype(np.float32)
    of_rows = (known**-source)[rows]
    pairs.data *= np.repeat(of_rows, np.diff(pairs.indptr)) * (known**-target)[pairs.indices]


def _added(one: _Counts, other: _Counts) -> _Counts:
    """Add counts up."""
    if not len(one.keys):
        return other
    keys, times = (np.concatenate(each) for each in zip(one, other, strict=True))
    order = np.argsort(keys, kind="stable")  # which is quick on two sorted runs
    keys, times = keys[order], times[order]
    starts = firsts(keys)
    return _Counts(keys[starts], np.add.reduceat(times, starts) if len(starts) else times)
