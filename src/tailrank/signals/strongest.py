"""The largest entries of each row of a sparse matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tailrank.data.histories import flat_offsets

if TYPE_CHECKING:
    import scipy.sparse as sp

NEIGHBOURS: Final = 100
"""Entries that signals keep for an item; twice as many gain nothing once signals are fused."""


def strongest(matrix: Any, per_row: int) -> sp.csr_array:
    """Keep the largest `per_row` entries of each row; of equal ones, the first."""
    import scipy.sparse as sp

    lengths, bounds = np.diff(matrix.indptr), matrix.indptr
    kept = np.ones(len(matrix.data), bool)
    # Selecting row by row is six times quicker than one sort of everything, loop and all.
    for row in np.flatnonzero(lengths > per_row):
        entries = slice(bounds[row], bounds[row + 1])
        values = matrix.data[entries]
        cut = np.partition(values, len(values) - per_row)[len(values) - per_row]
        high = kept[entries]
        np.greater(values, cut, out=high)
        high[np.flatnonzero(values == cut)[: per_row - np.count_nonzero(high)]] = True
    bounds = flat_offsets(np.minimum(lengths, per_row)).astype(matrix.indptr.dtype)
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], bounds), shape=matrix.shape)
