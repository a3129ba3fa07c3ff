"""Sparse matrices whose rows are picked by the events of a history."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import parts, ranges
from tailrank.signals.appendable import AppendableArray
from tailrank.signals.base import Arrays
from tailrank.signals.room import Room, with_rows
from tailrank.signals.stored import StoredArrays

if TYPE_CHECKING:
    import scipy.sparse as sp

SMALL: Final = 100_000
"""Cells of a table up to which it doesn't matter that most may be empty."""

ENTRIES_AT_ONCE: Final = 15_000
"""Entries that are looked through at once: eight bytes of each stay below what malloc maps page by page."""


def summed(rows: Offsets, columns: Codes | Offsets, values: Floats, shape: tuple[int, int]) -> Floats:
    """Add up values by their cells of a table of this shape."""
    cells, size = columns if shape[0] == 1 else rows * shape[1] + columns, shape[0] * shape[1]
    if size > max(SMALL, 8 * cells.size):
        found, at = np.unique(cells, return_inverse=True)
        table = np.zeros(size, np.float32)
        table[found] = np.bincount(at.ravel(), values.ravel())
        return table.reshape(shape)
    return np.bincount(cells.ravel(), values.ravel(), size).reshape(shape).astype(np.float32)


@dataclass(frozen=True)
class SparseRows:
    """Compressed sparse rows as bare arrays: scipy's own indexing costs more than a request may take.

    Attributes
    ----------
    starts, lengths
        If the entries of each row start, and how many they are; shape (rows,).
    columns, values
        Shape (entries,).
    width
        Number of columns.
    stale
        How many of the entries that came since are in no row any more.
    room
        Behind `starts` and `lengths`.
    """

    starts: Offsets
    lengths: Offsets
    columns: AppendableArray
    values: AppendableArray
    width: int
    stale: int = 0
    room: Room = field(default_factory=Room, compare=False, repr=False)

    @classmethod
    def from_scipy(cls, matrix: Any) -> Self:
        """Take over a scipy matrix, and perhaps its arrays."""
        bounds = matrix.indptr.astype(np.int64)
        columns = matrix.indices.astype(np.int32, copy=False)
        values = matrix.data.astype(np.float32, copy=False)
        return cls(
            bounds[:-1],
            np.diff(bounds),
            AppendableArray.from_array(columns),
            AppendableArray.from_array(values),
            int(matrix.shape[1]),
        )

    def entries(self, rows: Codes) -> tuple[Offsets, Offsets]:
        """Locate the entries of some rows, one row after another.

        Returns
        -------
        tuple[Offsets, Offsets]
            Which of `rows` each entry belongs to, and its position in `columns` and `values`; each of
            shape (entries of these rows,).
        """
        lengths = self.lengths.take(rows)
        return np.arange(len(rows)).repeat(lengths), ranges(self.starts.take(rows), lengths)

    @cached_property
    def matrix(self) -> sp.csr_array:
        """The same as a scipy matrix."""
        return self.matrix_of(np.arange(len(self.starts), dtype=np.int32))

    def matrix_of(self, rows: Codes) -> sp.csr_array:
        """Give some rows as a scipy matrix."""
        import scipy.sparse as sp

        _, at = self.entries(rows)
        bounds = np.append(0, self.lengths.take(rows).cumsum())
        return sp.csr_array(
            (self.values.take(at), self.columns.take(at), bounds), shape=(len(rows), self.width)
        )

    def padded(self, n_rows: int, width: int) -> Self:
        """Add empty rows and columns up to these numbers."""
        starts, lengths = self.room.extended(n_rows, (self.starts, 0), (self.lengths, 0))
        return replace(self, starts=starts, lengths=lengths, width=width)

    def with_rows(self, at: Codes, n_rows: int, rows: SparseRows) -> Self:
        """Replace rows, or add them behind all others.

        Parameters
        ----------
        at
            Number of each row.
        n_rows
            How many rows there are with them.
        rows
            As many, of the same columns.
        """
        known = at[at < len(self.starts)]
        left = self.lengths.take(known)[self.starts.take(known) >= len(self.columns.base)]
        starts, lengths = with_rows(
            self.room,
            at,
            n_rows,
            (self.starts, len(self.columns) + rows.lengths.cumsum() - rows.lengths),
            (self.lengths, rows.lengths),
        )
        found = replace(
            self,
            starts=starts,
            lengths=lengths,
            columns=self.columns.appended(rows.columns.whole),
            values=self.values.appended(rows.values.whole),
            stale=self.stale + int(left.sum()),
        )
        return found._packed() if 2 * found.stale > len(found.columns.more) else found

    def _packed(self) -> Self:
        """Leave out the entries that are in no row any more."""
        if not self.stale:
            return self
        base = len(self.columns.base)
        late = np.flatnonzero((self.starts >= base) & (self.lengths > 0)).astype(np.int32)
        _, kept = self.entries(late)
        starts, lengths = self.starts.copy(), self.lengths.take(late)
        starts[late] = base + lengths.cumsum() - lengths
        columns, values = (
            AppendableArray(each.base, each.take(kept)) for each in (self.columns, self.values)
        )
        return replace(self, starts=starts, columns=columns, values=values, stale=0)

    def sum_at(
        self, rows: Codes, weights: Floats, owners: Offsets, n_owners: int, candidates: Candidates
    ) -> Floats:
        """Sum weighted rows by owner, at the candidates' columns.

        Parameters
        ----------
        rows, weights, owners
            The row, its weight and the output row it adds to, shape (n,).
        n_owners
            Rows of the output.
        candidates
            Their codes name the columns to keep.

        Returns
        -------
        Floats
            Shape (n_owners, candidates).
        """
        # `take` instead of brackets, here and in the signals: a request feels the difference.
        of, at = self.entries(rows)
        slots = self.columns.take(at)
        if not candidates.whole:
            hits, slots = candidates.find(slots)
            of, at = of.take(hits), at.take(hits)
        values = weights.take(of)
        values *= self.values.take(at)
        return summed(owners.take(of), slots, values, (n_owners, len(candidates)))

    def found(self, rows: Codes, owners: Offsets, lists: CandidateLists) -> tuple[Offsets, Offsets, Floats]:
        """Find the entries of rows whose columns are in the list of the row's owner.

        Parameters
        ----------
        rows, owners
            The rows, and the list that each is for, ascending; shape (n,).
        lists
            Of columns.

        Returns
        -------
        tuple[Offsets, Offsets, Floats]
            Which of `rows` each entry is of, which of all pairs it is, and its value; each of shape (found,).
        """
        lengths, found = self.lengths.take(rows), []
        for some in parts(lengths, ENTRIES_AT_ONCE):
            of, at = self.entries(rows[some])
            sizes = np.bincount(owners[some], lengths[some], len(lists.lengths)).astype(np.int64)
            hits, slots = lists.find(self.columns.take(at), sizes)
            found.append((of.take(hits) + some.start, slots, self.values.take(at.take(hits))))
        of, slots, values = map(np.concatenate, zip(*found, strict=True))
        return of, slots, values

    def sum_lists(self, rows: Codes, weights: Floats, owners: Offsets, lists: CandidateLists) -> Floats:
        """Sum weighted rows by owner, as `sum_at` does, at the columns of the owner's list; (pairs,)."""
        of, slots, values = self.found(rows, owners, lists)
        values *= weights.take(of)
        return np.bincount(slots, values, len(lists)).astype(np.float32)

    def arrays(self) -> Arrays:
        """Give the arrays, for storage."""
        packed = self._packed()
        parts = {"starts": packed.starts, "lengths": packed.lengths, "width": np.array([packed.width])}
        return {**parts, "columns": packed.columns.whole, "values": packed.values.whole}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays, width: int) -> Self:
        """Take back what `arrays` gave: one row an item, so many columns, and no entry below zero.

        Raises
        ------
        ModelError
            If it is something else.
        """
        values = arrays.floats("values", None, least=0)
        n = len(values)
        starts, lengths = (arrays.offsets(name, arrays.n_items, largest=n) for name in ("starts", "lengths"))
        if lengths.sum() > n or (starts + lengths > n).any():
            raise arrays.error("lengths", f"rows reach beyond the {n} entries")
        columns = AppendableArray.from_array(arrays.codes("columns", n, below=width))
        arrays.whole_number("width", width, width)
        return cls(starts, lengths, columns, AppendableArray.from_array(values), width)
