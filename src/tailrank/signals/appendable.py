"""Arrays that grow at their end without being copied."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.signals.room import Room, with_rows

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
    room
        Behind `more`.
    """

    base: npt.NDArray[Any]
    more: npt.NDArray[Any]
    room: Room = field(default_factory=Room, compare=False, repr=False)

    @classmethod
    def from_array(cls, base: npt.NDArray[Any]) -> Self:
        """Start without any row that came since."""
        return cls(base, base[:0])

    def appended(self, rows: npt.NDArray[Any]) -> Self:
        """Add rows behind all others."""
        [more] = self.room.extended(len(self.more) + len(rows), (self.more, rows))
        return replace(self, more=more)

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
    stale
        How many of the vectors that came since are no item's any more.
    room
        Behind `rows`.
    """

    vectors: AppendableArray
    rows: Codes | None = None
    stale: int = 0
    room: Room = field(default_factory=Room, compare=False, repr=False)

    @classmethod
    def from_array(cls, vectors: Floats, rows: Codes | None = None) -> Self:
        """Take over arrays as they are stored."""
        return cls(AppendableArray.from_array(vectors), rows)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give the vectors and, if they are needed, the rows; for storage."""
        packed = self._packed()
        rows = {} if packed.rows is None else {"rows": packed.rows}
        return {"vectors": packed.vectors.whole, **rows}

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
        base, first = len(self.vectors.base), len(self.vectors)
        added = np.arange(first, first + len(items), dtype=np.int32)
        appended = self.vectors.appended(vectors.astype(self.vectors.base.dtype))
        if self.rows is None and np.array_equal(items, added):
            return replace(self, vectors=appended)
        before = np.arange(len(self), dtype=np.int32) if self.rows is None else self.rows
        left = int((before.take(items[items < len(self)]) >= base).sum())
        [rows] = with_rows(self.room, items, n_items, (before, added))
        found = replace(self, vectors=appended, rows=rows, stale=self.stale + left)
        return found._packed() if 2 * found.stale > len(appended.more) else found

    def _packed(self) -> Self:
        """Leave out the vectors that are no item's any more."""
        if self.rows is None or not self.stale:
            return self
        base, more = self.vectors.base, self.vectors.more
        late = np.flatnonzero(self.rows >= len(base))
        rows = self.rows.copy()
        rows[late] = np.arange(len(base), len(base) + len(late))
        vectors = AppendableArray(base, more.take(self.rows[late] - len(base), axis=0))
        return replace(self, vectors=vectors, rows=rows, stale=0)
