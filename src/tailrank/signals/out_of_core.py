"""Pairs of items counted in bounded memory: from blocks of users on disk, for some items at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

import numpy as np

from tailrank.arrays import Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets, parts
from tailrank.errors import RequestError
from tailrank.files import scratch_folder, written_file
from tailrank.memory import as_size, resident
from tailrank.reporting import Progress, silent
from tailrank.running import Run, in_order, run_here
from tailrank.signals.strongest import NEIGHBOURS
from tailrank.signals.user_blocks import EVENT_BYTES, Block, Blocks, blocks

if TYPE_CHECKING:
    import scipy.sparse as sp

READ_BYTES: Final = 20
"""That an event of a block takes while pairs are counted."""

PAIR_BYTES: Final = 300
"""That a pair takes while it is counted."""

WIDEST_BYTES: Final = 100
"""That a count of one item takes, which is counted at once however many it has."""

WAITING_BYTES: Final = 16
"""That a counted pair takes while it waits for more blocks."""

KEPT_BYTES: Final = 20
"""That an entry of the result takes while the shards are put together."""

LEAST: Final = 100_000
"""Events of a block, and pairs at once, below which reading takes longer than counting."""

MOST: Final = 1_000_000
"""Pairs at once; more gain nothing, since fewer fit a processor's cache."""

PER_SHARD: Final = 20
"""Times that so many pairs are counted for a file of results, if they wait for more blocks."""

ALONE: Final = 100
"""The same, if there is one block only."""

LARGEST: Final = 2_000_000_000
"""Events that a block may have, so that their positions fit 32 bits."""


class PairCount(Protocol):
    """What is counted of pairs of items."""

    @property
    def distinct(self) -> bool:
        """Whether each user's items count once."""
        ...

    def widest(self, dataset: Dataset) -> int:
        """Bound what is held of one item."""
        ...

    def met(self, block: Block) -> Offsets:
        """Bound what is held of each item, if nothing is met twice; shape (items,)."""
        ...

    def rows(self, read: Blocks, cut: Sequence[slice], totals: Offsets, at_once: int) -> list[sp.csr_array]:
        """Give the strongest pairs of some items, at most `NEIGHBOURS` of each.

        Parameters
        ----------
        read
            The blocks of all users.
        cut
            Codes of the items: of so many at once as are held in `at_once`.
        totals
            Events of each item in all blocks, shape (items,).
        at_once
            Pairs of events to look at at once.

        Returns
        -------
        list of csr_array
            Of shape (items of a slice, items), float32.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """How much is held in memory at once.

    Attributes
    ----------
    events
        Of a block of users.
    pairs
        Of events.
    """

    events: int
    pairs: int

    @classmethod
    def within(cls, memory: int, what: PairCount, dataset: Dataset) -> Self:
        """Choose what fits beside what this process holds already, or else the least that can be held.

        Parameters
        ----------
        memory
            Bytes, of the whole process.
        what, dataset
            What is to be counted.
        """
        n, pairs, widest = len(dataset.histories.items), LEAST, what.widest(dataset)
        free = max(0, memory - resident())
        events = n if _bytes(n, pairs, widest, n) <= free else max(_fewest(dataset), free // 2 // EVENT_BYTES)
        events = min(events, LARGEST)
        while pairs < MOST and _bytes(events, 2 * pairs, widest, n) <= free:
            pairs *= 2
        return cls(events, pairs)


def check_memory(memory: int, what: PairCount, dataset: Dataset) -> None:
    """Refuse memory that is too little to count in.

    Raises
    ------
    RequestError
        If it is; the message says how much is needed.
    """
    held, n, widest = resident(), len(dataset.histories.items), what.widest(dataset)
    least = min(_bytes(n, LEAST, widest, n), _bytes(_fewest(dataset), LEAST, widest, n))
    needed = held + max(KEPT_BYTES * NEIGHBOURS * dataset.n_items, least)
    if memory < needed:
        raise RequestError(
            f"--memory {as_size(memory)} is too little: {as_size(held)} are in use, mostly for events, "
            f"and counting pairs of items takes {as_size(needed - held)} at least. Give {as_size(needed)}"
        )


def _fewest(dataset: Dataset) -> int:
    """Give how many events a block must have room for."""
    return min(len(dataset.histories.items), max(LEAST, int(dataset.histories.lengths.max(initial=1))))


def _bytes(events: int, pairs: int, widest: int, n: int) -> int:
    """Sum what is held at once of blocks of so many of `n` events, of so many pairs, and of one item."""
    a_pair = PAIR_BYTES + (0 if events == n else WAITING_BYTES * PER_SHARD)
    return max(EVENT_BYTES * events, READ_BYTES * events + a_pair * pairs + WIDEST_BYTES * widest)


@dataclass(frozen=True)
class Shards:
    """Blocks of users in a folder, and the strongest pairs found in them.

    Attributes
    ----------
    what
        What is counted.
    folder
        Where every process finds it.
    n_blocks
        How many there are.
    at_once
        Pairs of events to look at at once.
    """

    what: PairCount
    folder: Path
    n_blocks: int
    at_once: int

    @classmethod
    def write(cls, folder: Path, what: PairCount, dataset: Dataset, plan: Plan) -> Self:
        """Write blocks and what is known of all of them to an empty folder."""
        n, number = dataset.n_items, 0
        totals, met = np.zeros(n, np.int64), np.zeros(n, np.int64)
        for block in blocks(dataset.histories, n, plan.events, what.distinct):
            block.write(Blocks.folder_of(folder, number))
            totals += np.diff(block.starts)
            met += what.met(block)
            number += 1
        np.save(folder / "totals.npy", totals)
        np.save(folder / "held.npy", np.minimum(met, what.widest(dataset)))
        return cls(what, folder, number, plan.pairs)

    def cut(self) -> list[slice]:
        """Cut the items into shards of equal work."""
        times = ALONE if self.n_blocks == 1 else PER_SHARD
        return list(parts(np.load(self.folder / "held.npy"), times * self.at_once))

    def count(self, shard: slice) -> None:
        """Write the strongest pairs of a shard's items; the same again if it is called again."""
        totals, held = (np.load(self.folder / f"{name}.npy") for name in ("totals", "held"))
        cut = [
            slice(shard.start + one.start, shard.start + one.stop) for one in parts(held[shard], self.at_once)
        ]
        found = self.what.rows(Blocks(self.folder, self.n_blocks), cut, totals, self.at_once)
        with _writing(self.folder), written_file(self._file(shard)) as new, new.open("wb") as file:
            np.savez(
                file,
                lengths=np.concatenate([np.diff(rows.indptr) for rows in found]),
                columns=np.concatenate([rows.indices for rows in found]),
                values=np.concatenate([rows.data for rows in found]),
            )

    def found(self, cut: Sequence[slice]) -> sp.csr_array:
        """Put the shards together, shape (items, items)."""
        import scipy.sparse as sp

        files = [np.load(self._file(shard)) for shard in cut]
        bounds = flat_offsets(np.concatenate([file["lengths"] for file in files]))
        columns, values = np.empty(bounds[-1], np.int32), np.empty(bounds[-1], np.float32)
        for shard, file in zip(cut, files, strict=True):
            with file:
                at = slice(bounds[shard.start], bounds[shard.stop])
                columns[at], values[at] = file["columns"], file["values"]
        return sp.csr_array((values, columns, bounds), shape=(len(bounds) - 1,) * 2)

    def _file(self, shard: slice) -> Path:
        return self.folder / f"pairs-{shard.start}.npz"


@dataclass(frozen=True)
class OutOfCore:
    """Counts pairs of items in bounded memory, with the numbers of counting all at once.

    Attributes
    ----------
    memory
        Bytes that a process may take: this one, and each that counts. Where other work leaves too little of
        them, as little as can be is taken.
    folder
        Where there is room for 16 bytes an event for a while, and where every process finds it. What a
        process that died left there goes.
    run
        Who counts the shards.
    progress
        Is told how many shards are counted.
    """

    memory: int
    folder: Path
    run: Run = run_here
    progress: Progress = silent

    def strongest(self, what: PairCount, dataset: Dataset) -> sp.csr_array:
        """Count, and give each item's strongest pairs, shape (items, items).

        Raises
        ------
        RequestError
            If the folder can't be written.
        """
        plan = Plan.within(self.memory, what, dataset)
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with scratch_folder(self.folder.resolve(), ".counting.") as place:
                shards = Shards.write(place, what, dataset, plan)
                cut = shards.cut()
                in_order(self.run, Shards.count, shards, cut, self.progress, "counting pairs of items")
                return shards.found(cut)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say that counting needs a folder if it can't be written."""
    try:
        yield
    except OSError as why:
        raise RequestError(
            f"{folder}: counting with --memory writes here, and can't ({why.strerror or why}): make room, or "
            "name another place for the model"
        ) from None
