"""Room behind arrays, so that a row more costs no copy of all."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes

SPARE: Final = 64
"""Rows that there is room for behind any array."""


class Room:
    """Spare room behind arrays of one length, so that rows are added without a copy of those before.

    The arrays that come out of it begin in the same memory, and what was given never changes: only behind the
    longest is there something to write. Whoever extends a shorter one moves into new room, with all its rows.
    """

    def __init__(self) -> None:
        self._buffers: list[npt.NDArray[Any]] = []
        self._used, self._lock = 0, Lock()

    def __reduce__(self) -> tuple[type[Room], tuple[()]]:
        """Let copies of what has room find room of their own."""
        return Room, ()

    def extended(self, n: int, *arrays: tuple[npt.NDArray[Any], Any]) -> list[npt.NDArray[Any]]:
        """Extend arrays to `n` rows.

        Parameters
        ----------
        n
            Rows that each array has then.
        arrays
            Each with the rows to add, or the one that is added as often as needed.
        """
        begin = len(arrays[0][0])
        if n == begin:
            return [array for array, _ in arrays]
        with self._lock:
            ends_here = begin == self._used and len(arrays) == len(self._buffers)
            if not ends_here or n > len(self._buffers[0]) or not self._hold(arrays):
                self._buffers = [_roomy(array, n) for array, _ in arrays]
            for buffer, (_, rows) in zip(self._buffers, arrays, strict=True):
                buffer[begin:n] = rows
            self._used = n
            return [buffer[:n] for buffer in self._buffers]

    def _hold(self, arrays: Sequence[tuple[npt.NDArray[Any], Any]]) -> bool:
        return all(array.base is mine for mine, (array, _) in zip(self._buffers, arrays, strict=True))


def _roomy(array: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Copy an array to where there is room for half as many rows as `n` beyond those."""
    buffer = np.empty((n + n // 2 + SPARE, *array.shape[1:]), array.dtype)
    buffer[: len(array)] = array
    return buffer


def with_rows(
    room: Room, at: Codes, n: int, *arrays: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> list[npt.NDArray[Any]]:
    """Set rows of arrays, which are copied only if one of these rows is there already.

    Parameters
    ----------
    room
        Behind the arrays.
    at
        Number of each row, distinct.
    n
        Rows that each array has then; new ones that `at` doesn't name are zero.
    arrays
        Each with what its rows are set to.
    """
    begin = len(arrays[0][0])
    late = at >= begin
    if late.all() and np.array_equal(at, np.arange(begin, n)):
        return room.extended(n, *arrays)
    found = []
    for array, rows in arrays:
        whole = np.zeros((n, *array.shape[1:]), array.dtype)
        whole[:begin] = array
        whole[at] = rows
        found.append(whole)
    return found
