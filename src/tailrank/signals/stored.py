"""`StoredArrays`: what a model folder holds of a signal, each array checked before it is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.errors import ModelError
from tailrank.signals.base import Arrays

LARGEST: Final = 1e9
"""What no number of a model exceeds, so that sums of products stay finite in float32."""

Number = np.floating[Any] | np.integer[Any]


@dataclass(frozen=True)
class StoredArrays:
    """Arrays by name, of which none has been trusted yet.

    Every method raises `ModelError`, which names the array, unless it is there, of the type and the shape
    expected, and within the bounds; NaN is within none.

    Attributes
    ----------
    arrays
        As they were read.
    n_items, n_types
        Size of the catalogue, and number of event types.
    place
        What errors put before the name of an array: the file and the part.
    """

    arrays: Arrays
    n_items: int = 0
    n_types: int = 0
    place: str = ""

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def part(self, name: str) -> Self:
        """Select the arrays whose names start with `name/`; it is left out of them."""
        prefix = f"{name}/"
        found = {key.removeprefix(prefix): a for key, a in self.arrays.items() if key.startswith(prefix)}
        return replace(self, arrays=found, place=self.place + prefix)

    def error(self, name: str, why: str) -> ModelError:
        """Say what is wrong with an array."""
        return ModelError(f"{self.place}{name}: {why}")

    def floats(
        self, name: str, *shape: int | None, least: float = -LARGEST, largest: float = LARGEST
    ) -> Floats:
        """Take an array of float32; None in the shape stands for any length."""
        return self._array(name, np.float32, shape, least, largest)

    def doubles(self, name: str, *shape: int | None, least: float, largest: float) -> Doubles:
        """Take an array of float64."""
        return self._array(name, np.float64, shape, least, largest)

    def codes(self, name: str, *shape: int | None, below: int) -> Codes:
        """Take codes: int32 from 0, below a number."""
        return self._array(name, np.int32, shape, 0, below - 1)

    def offsets(self, name: str, *shape: int | None, largest: int) -> Offsets:
        """Take positions or counts: int64 from 0."""
        return self._array(name, np.int64, shape, 0, largest)

    def number(self, name: str, least: float, largest: float) -> float:
        """Take a single float64."""
        return float(self.doubles(name, 1, least=least, largest=largest)[0])

    def whole_number(self, name: str, least: int, largest: int) -> int:
        """Take a single int64."""
        return int(self._array(name, np.int64, (1,), least, largest)[0])

    def text(self, name: str) -> str:
        """Take a text, as `as_array` stores it."""
        try:
            return self._array(name, np.uint8, (None,), 0, 255).tobytes().decode()
        except UnicodeDecodeError:
            raise self.error(name, "no UTF-8") from None

    def _array(
        self, name: str, dtype: type[Number], shape: tuple[int | None, ...], least: float, largest: float
    ) -> npt.NDArray[Any]:
        array = self.arrays.get(name)
        if array is None:
            raise self.error(name, "missing")
        if array.dtype != dtype:
            raise self.error(name, f"{array.dtype} where {np.dtype(dtype)} is expected")
        if array.ndim != len(shape) or any(
            n not in (None, m) for n, m in zip(shape, array.shape, strict=True)
        ):
            expected = ", ".join("any" if n is None else str(n) for n in shape)
            raise self.error(name, f"of shape {array.shape} where ({expected}) is expected")
        # Smallest and largest need no copy of the array; of one with a NaN both are NaN.
        if array.size and not (least <= array.min() and array.max() <= largest):
            raise self.error(name, f"holds numbers that aren't from {least:g} to {largest:g}")
        return array
