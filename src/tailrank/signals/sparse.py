"""Sparse matrices whose rows are picked by the events of a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.histories import ranges
from tailrank.signals.protocol import Arrays, Candidates


@dataclass(frozen=True)
class SparseRows:
    """Compressed sparse rows as bare arrays: scipy's own indexing costs more than a request may take.

    Attributes
    ----------
    starts
        Shape (rows + 1,).
    columns, values
        Shape (entries,).
    width
        Number of columns.
    """

    starts: Offsets
    columns: Codes
    values: Floats
    width: int

    @classmethod
    def of(cls, matrix: Any) -> Self:
        """Take over a scipy matrix."""
        columns, values = matrix.indices.astype(np.int32), matrix.data.astype(np.float32)
        return cls(matrix.indptr.astype(np.int64), columns, values, matrix.shape[1])

    def entries(self, rows: Codes) -> tuple[Offsets, Offsets]:
        """Locate the entries of some rows, one row after another.

        Returns
        -------
        tuple[Offsets, Offsets]
            Which of `rows` each entry belongs to, and its place in `columns` and `values`; each of
            shape (entries of these rows,).
        """
        starts = self.starts.take(rows)
        lengths = self.starts.take(rows + 1) - starts
        return np.arange(len(rows)).repeat(lengths), ranges(starts, lengths)

    @property
    def matrix(self) -> sp.csr_array:
        """The same arrays as a scipy matrix."""
        shape = (len(self.starts) - 1, self.width)
        return sp.csr_array((self.values, self.columns, self.starts), shape=shape)

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
            slots = candidates.slots.take(slots)
            (hit,) = (slots >= 0).nonzero()
            of, at, slots = of.take(hit), at.take(hit), slots.take(hit)
        cells = (owners * len(candidates)).take(of) + slots
        total = np.bincount(cells, weights.take(of) * self.values.take(at), n_owners * len(candidates))
        return total.reshape(n_owners, len(candidates)).astype(np.float32)

    def arrays(self) -> Arrays:
        """Give the arrays, for storage."""
        width = np.array([self.width])
        return {"starts": self.starts, "columns": self.columns, "values": self.values, "width": width}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take back what `arrays` gave."""
        return cls(arrays["starts"], arrays["columns"], arrays["values"], int(arrays["width"][0]))


def strongest(matrix: Any, per_row: int) -> sp.csr_array:
    """Keep the largest `per_row` entries of each row; of equal ones, the first."""
    lengths, bounds = np.diff(matrix.indptr), matrix.indptr
    cuts = np.full(len(lengths), -np.inf, dtype=matrix.dtype)
    # Selecting row by row is six times quicker than one sort of everything, loop and all.
    for row in np.flatnonzero(lengths > per_row):
        values = matrix.data[bounds[row] : bounds[row + 1]]
        cuts[row] = np.partition(values, len(values) - per_row)[len(values) - per_row]
    high = np.flatnonzero(matrix.data >= np.repeat(cuts, lengths))
    rows = np.repeat(np.arange(len(lengths)), lengths)[high]
    order = np.lexsort((-matrix.data[high], rows))
    kept = high[order[np.arange(len(order)) - np.searchsorted(rows, rows) < per_row]]
    rows = np.repeat(np.arange(len(lengths)), lengths)[kept]
    return sp.csr_array((matrix.data[kept], (rows, matrix.indices[kept])), shape=matrix.shape)
