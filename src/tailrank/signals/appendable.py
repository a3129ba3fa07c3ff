"""Arrays that grow at their end without being copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes, Floats, Offsets

if TYPE_CHECKING:
    from tailrank.signals.stored import StoredArrays


@dataclass(frozen=True)
class AppendableArray:
    """Rows of a large array, which may lie in a file that processes share, and the few that came since.

    Attributes
    ----------
    base
        Shape (n, ...). It is never copied.
    more
        Shape (m, ...): its rows count on from those of `base`.
    """

    base: npt.NDArray[Any]
    more: npt.NDArray[Any]

    @classmethod
    def from_array(cls, base: npt.NDArray[Any]) -> Self:
        """Start without any row that came since."""
        return cls(base, base[:0])

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    def take(self, rows: Codes | Offsets) -> npt.NDArray[Any]:
        """Gather rows, as `numpy.take` does along axis 0."""
        n = len(self.base)
        if not len(self.more) or rows.max(initial=-1) < n:
            return self.base.take(rows, axis=0)
        found, late = self.base.take(rows, axis=0, mode="clip"), rows >= n
        found[late] = self.more.take(rows[late] - n, axis=0)
        return found

    @property
    def whole(self) -> npt.NDArray[Any]:
        """All rows as one array, which is a copy if any came since."""
        return np.concatenate([self.base, self.more]) if len(self.more) else self.base


@dataclass(frozen=True)
class VectorTable:
    """The vector of each item.

    Attributes
    ----------
    vectors
        Shape (vectors, d).
    rows
        The vector of each item, shape (items,): several may share one. None if item `c` has vector `c`.
    """

    vectors: AppendableArray
    rows: Codes | None = None

    @classmethod
    def from_array(cls, vectors: Floats, rows: Codes | None = None) -> Self:
        """Take over arrays as they are stored."""
        return cls(AppendableArray.from_array(vectors), rows)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give the vectors and, if they are needed, the rows; for storage."""
        rows = {} if self.rows is None else {"rows": self.rows}
        return {"vectors": self.vectors.whole, **rows}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays, width: int | None, largest: float) -> Self:
        """Take back what `arrays` gave: finite vectors of a width, None for any, one for each item.

        Raises
        ------
        ModelError
            If they are something else.
        """
        shared = "rows" in arrays
        vectors = arrays.floats(
            "vectors", None if shared else arrays.n_items, width, least=-largest, largest=largest
        )
        return cls.from_array(
            vectors, arrays.codes("rows", arrays.n_items, below=len(vectors)) if shared else None
        )

    def __len__(self) -> int:
        return len(self.vectors) if self.rows is None else len(self.rows)

    @property
    def width(self) -> int:
        """The d of a vector."""
        return int(self.vectors.base.shape[1])

    def take(self, items: Codes) -> Floats:
        """Gather the vectors of items, shape (items, d)."""
        return self.vectors.take(items if self.rows is None else self.rows.take(items))

    def by_item(self, scores: Floats) -> Floats:
        """Spread scores of all vectors, shape (..., vectors), to the items that have them: (..., items)."""
        return scores if self.rows is None else scores[..., self.rows]

    def with_vectors(self, items: Codes, n_items: int, vectors: Floats) -> Self:
        """Give items vectors of their own; shape (items, d).

        Parameters
        ----------
        items
            Known ones, whose vectors change, and new ones.
        n_items
            How many items there are with them.
        """
        rows = np.arange(n_items, dtype=np.int32)
        if self.rows is not None:
            rows[: len(self.rows)] = self.rows
        base, more = self.vectors.base, self.vectors.more
        # Rows that came since belong to one item each, so those of an item that changes again are used again.
        fresh = (items >= len(self)) | (rows[items] < len(base))
        first = len(base) + len(more)
        rows[items[fresh]] = np.arange(first, first + int(fresh.sum()), dtype=np.int32)
        more = np.concatenate([more, vectors[fresh].astype(base.dtype)])
        more[rows[items] - len(base)] = vectors
        return type(self)(AppendableArray(base, more), rows)
