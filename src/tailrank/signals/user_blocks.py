"""Histories on disk, some users at a time and sorted by item as well: what counting out of core reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Offsets
from tailrank.data.histories import Histories, flat_offsets, parts

AT_ONCE: Final = 1_000_000
"""Events whose repetitions are looked for at once."""

EVENT_BYTES: Final = 32
"""That an event of a block takes while it is sorted."""


@dataclass(frozen=True)
class Block:
    """The events of some users.

    Attributes
    ----------
    items
        Item codes user by user, shape (events,).
    offsets
        Where each user's events start, and the last one's end, shape (users + 1,).
    positions, users
        Of the events sorted by item: where they are in `items`, and whose they are; shape (events,).
    starts
        Where each item's events start there, and the last one's end, shape (items + 1,).
    """

    items: Codes
    offsets: Offsets
    positions: Codes
    users: Codes
    starts: Offsets

    @classmethod
    def sort(cls, items: Codes, offsets: Offsets, n_items: int) -> Self:
        """Sort the events of users by item."""
        import scipy.sparse as sp

        # To take the columns of a matrix of one row is a stable sort in linear time.
        row = np.arange(len(items), dtype=np.int32), items, [0, len(items)]
        by_item = sp.csr_array(row, shape=(1, n_items)).tocsc()
        owners = np.arange(len(offsets) - 1, dtype=np.int32).repeat(np.diff(offsets))
        starts = by_item.indptr.astype(np.int64)
        return cls(items, offsets, by_item.data, owners[by_item.data], starts)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what `write` wrote into memory, which takes as much of it as is looked at."""
        return cls(*(np.load(folder / f"{one.name}.npy", mmap_mode="r") for one in fields(cls)))

    def write(self, folder: Path) -> None:
        """Write the arrays to a new folder."""
        folder.mkdir()
        for name, array in vars(self).items():
            np.save(folder / f"{name}.npy", array)

    def of_items(self, rows: slice) -> tuple[slice, Offsets]:
        """Find the events of some items among those sorted by item, and where those of each start."""
        bounds = np.array(self.starts[rows.start : rows.stop + 1])
        return slice(int(bounds[0]), int(bounds[-1])), bounds - bounds[0]


@dataclass(frozen=True)
class Blocks:
    """Blocks in a folder, opened one after the other.

    Attributes
    ----------
    folder
        Where they are.
    number
        How many there are.
    """

    folder: Path
    number: int

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Block]:
        return (Block.open(self.folder_of(self.folder, number)) for number in range(self.number))

    @staticmethod
    def folder_of(folder: Path, number: int) -> Path:
        """Name the folder of a block."""
        return folder / f"block-{number}"


def blocks(histories: Histories, n_items: int, most: int, distinct: bool) -> Iterator[Block]:
    """Cut histories into blocks of users.

    Parameters
    ----------
    histories
        Of all users.
    n_items
        Size of the catalogue.
    most
        Events of a block, or hardly more.
    distinct
        Whether to give each user's items once, in the order of their codes, instead of the events.
    """
    for users in parts(histories.lengths, most):
        offsets = histories.offsets[users.start : users.stop + 1]
        items = histories.items[offsets[0] : offsets[-1]]
        offsets = offsets - offsets[0]
        if distinct:
            items, offsets = _distinct(items, offsets, n_items)
        yield Block.sort(items, offsets, n_items)


def firsts(ascending: Offsets) -> Offsets:
    """Find where each distinct value starts.

    Examples
    --------
    >>> firsts(np.array([3, 3, 5, 6, 6])).tolist()
    [0, 2, 3]
    """
    new = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return np.flatnonzero(new)


def _distinct(items: Codes, offsets: Offsets, n_items: int) -> tuple[Codes, Offsets]:
    """Sort each user's items, and leave out repetitions."""
    found, lengths = [], []
    for users in parts(np.diff(offsets), AT_ONCE):
        bounds = offsets[users.start : users.stop + 1]
        owners = np.arange(len(bounds) - 1).repeat(np.diff(bounds))
        keys = owners * n_items + items[bounds[0] : bounds[-1]]
        keys.sort()
        keys = keys[firsts(keys)]
        owners = keys // n_items
        found.append((keys - owners * n_items).astype(np.int32))
        lengths.append(np.bincount(owners, minlength=len(bounds) - 1))
    return np.concatenate(found), flat_offsets(np.concatenate(lengths))
