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

    def take(self, rows: Codes) -> tuple[Offsets, Codes, Floats]:
        """Gather rows: their lengths, then all columns and values, one row after another."""
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        at = ranges(starts, lengths)
        return lengths, self.columns[at], self.values[at]

    def select(self, rows: Codes) -> SparseRows:
        """Gather rows into a smaller matrix."""
        lengths, columns, values = self.take(rows)
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        return SparseRows(starts, columns, values, self.width)

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
        lengths, columns, values = self.take(rows)
        values = values * np.repeat(weights, lengths)
        cells = np.repeat(owners * len(candidates), lengths)
        if candidates.whole:
            cells += columns
        else:
            slots = candidates.slots[columns]
            hit = np.flatnonzero(slots >= 0)
            cells, values = cells[hit] + slots[hit], values[hit]
        total = np.bincount(cells, values, n_owners * len(candidates))
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
    """Keep the largest `per_row` entries of each row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    kept = order[np.arange(len(order)) - matrix.indptr[rows] < per_row]
    return sp.csr_array((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)
