"""Cosines between the users of items, for some items at a time from blocks of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets
from tailrank.signals.strongest import NEIGHBOURS, strongest
from tailrank.signals.user_blocks import Block, Blocks

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True)
class SharedUsers:
    """Cosines between the sets of users who chose two items, bit by bit as `item_neighbours` gives them."""

    distinct: ClassVar[bool] = True

    def widest(self, dataset: Dataset) -> int:
        """Bound the items that share a user with one."""
        return dataset.n_items

    def met(self, block: Block) -> Offsets:
        """Sum the lengths of the lists that hold an item, shape (items,)."""
        lengths = np.diff(block.offsets)
        return np.bincount(block.items, lengths.repeat(lengths), len(block.starts) - 1).astype(np.int64)

    def rows(self, read: Blocks, cut: Sequence[slice], totals: Offsets, at_once: int) -> list[Any]:
        """Multiply rows by what their users chose, block after block."""
        import scipy.sparse as sp

        weights = user_weights(totals)
        pairs: list[Any] = [
            sp.csr_array((rows.stop - rows.start, len(totals)), dtype=np.float32) for rows in cut
        ]
        for number, block in enumerate(read, start=1):
            lists = _Lists.with_room(max(at_once, len(totals)), block, weights)
            for at, rows in enumerate(cut):
                pairs[at] = lists.added(pairs[at], block, rows, weights)
                if number == len(read):
                    pairs[at] = nearest(pairs[at], rows, NEIGHBOURS)
        return pairs


def user_weights(totals: Offsets) -> Floats:
    """Weigh the users of each item so that products sum to cosines, shape (items,)."""
    weights: Floats = (1 / np.sqrt(np.maximum(totals, 1))).astype(np.float32)
    return weights


def nearest(pairs: Any, rows: slice, neighbours: int) -> sp.csr_array:
    """Leave the items themselves out of their rows, and keep the most similar of the others."""
    at = np.arange(rows.start, rows.stop).repeat(np.diff(pairs.indptr))
    pairs.data[at == pairs.indices] = 0
    pairs.eliminate_zeros()
    return strongest(pairs, neighbours)


@dataclass(frozen=True)
class _Lists:
    """What each user of a block chose, behind room for sums of the blocks before.

    Attributes
    ----------
    items, weights
        Shape (room + items of all lists,).
    room
        Entries.
    ends
        Where each list ends, shape (users,).
    """

    items: Codes
    weights: Floats
    room: int
    ends: Codes

    @classmethod
    def with_room(cls, room: int, block: Block, weights: Floats) -> Self:
        """Copy the lists of a block."""
        items = np.zeros(room + len(block.items), np.int32)
        values = np.zeros(len(items), np.float32)
        items[room:] = block.items
        values[room:] = weights[block.items]
        return cls(items, values, room, (room + block.offsets[1:]).astype(np.int32))

    def added(self, before: Any, block: Block, rows: slice, weights: Floats) -> Any:
        """Add the products of a block's users to those of the users before them.

        Sums in single precision depend on their order, and so does the order of a row, which decides
        between equal entries. So what was summed goes first, as lists of more users, as if all were
        multiplied at once. A product puts first what a row met last.

        Parameters
        ----------
        before
            The products, shape (rows, items).
        block
            Whose lists these are.
        rows
            Codes of the items.
        weights
            Of the users of each item, shape (items,).
        """
        import scipy.sparse as sp

        n_rows, n_items = before.shape
        at, starts = block.of_items(rows)
        first = self.room - before.nnz
        self.items[first : self.room] = before.indices[::-1]
        self.weights[first : self.room] = before.data[::-1]
        bounds = (first + flat_offsets(np.diff(before.indptr)[::-1])).astype(np.int32)
        gap = np.zeros(1, np.int32)  # what room is left is one more list, which belongs to no row
        lists = self.weights, self.items, np.concatenate([gap, bounds, self.ends])
        lengths = np.diff(starts)
        users = np.insert(block.users[at] + np.int32(1 + n_rows), starts[:-1], np.arange(n_rows, 0, -1))
        own = np.insert(weights[rows].repeat(lengths), starts[:-1], 1)
        offsets = flat_offsets(lengths + 1).astype(np.int32)  # 64 bits would have all lists copied to 64
        by_row = sp.csr_array((own, users, offsets), shape=(n_rows, n_rows + len(block.offsets)))
        return by_row @ sp.csr_array(lists, shape=(by_row.shape[1], n_items))
