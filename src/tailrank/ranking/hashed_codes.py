"""Codes of very many ids, which a dict would take a cache miss or three each to look up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tailrank.arrays import Codes

LARGE: Final = 1 << 16
"""Ids from which on this is quicker than a dict: when that no longer fits the processor's cache."""

BITS: Final = 64


class HashedCodes:
    """Codes by the hashes of ids, looked up for all ids of a list at once.

    Known ids have hashes of their own, or `from_ids` would have said so. An unknown id is taken for a known
    one if it shares its 64 bits: with a million known ones, once in 2 * 10^13.

    Attributes
    ----------
    hashes
        In ascending order, and an end that belongs to no id; shape (ids + depth,).
    codes
        Of these, -1 at the end.
    starts
        Where the hashes of each bucket begin, which share their highest bits.
    depth
        Hashes in the fullest bucket.
    """

    def __init__(self, hashes: NDArray[np.uint64], codes: Codes, starts: Codes) -> None:
        self.depth = int(np.diff(starts).max(initial=1))
        self.hashes = np.append(hashes, np.zeros(self.depth, np.uint64))
        self.codes = np.append(codes, np.full(self.depth, -1, np.int32))
        self.starts, self._shift = starts, BITS - (len(starts) - 1).bit_length() + 1

    @classmethod
    def from_ids(cls, ids: Sequence[str]) -> Self | None:
        """Code ids by their positions; None if two of them share a hash."""
        unordered = _hashes(ids)
        codes = unordered.argsort().astype(np.int32)
        hashes = unordered.take(codes)
        if (hashes[1:] == hashes[:-1]).any():
            return None
        bits = len(ids).bit_length() + 1
        buckets = np.arange(1 << bits, dtype=np.uint64) << BITS - bits
        return cls(hashes, codes, np.append(hashes.searchsorted(buckets), len(ids)).astype(np.int32))

    def __contains__(self, name: object) -> bool:
        return bool(self.of([name])[0] >= 0)

    def __getitem__(self, name: str) -> int:
        return int(self.of([name])[0])

    def of(self, ids: Iterable[object]) -> Codes:
        """Look up codes, shape (ids,); -1 for those that are unknown."""
        asked = _hashes(ids)
        bucket = self.starts.take((asked >> self._shift).astype(np.int64))
        places = np.add.outer(bucket, np.arange(self.depth))
        found, nth = (self.hashes.take(places) == asked[:, None]).nonzero()
        codes = np.full(len(asked), -1, np.int32)
        codes[found] = self.codes.take(places[found, nth])
        return codes


def _hashes(ids: Iterable[object]) -> NDArray[np.uint64]:
    return np.fromiter(map(hash, ids), np.int64).view(np.uint64)
