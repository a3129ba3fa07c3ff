"""A safetensors file, read or mapped into memory, and arrays that are views of it."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tailrank.errors import ModelError
from tailrank.signals.base import Arrays

Content: TypeAlias = bytes | mmap.mmap
Size = Annotated[int, Meta(ge=0)]

DTYPES: Final = {"U8": "u1", "I32": "<i4", "I64": "<i8", "F32": "<f4", "F64": "<f8"}
"""Those that models hold, in the words of safetensors and of NumPy."""

HEADER_START: Final = 8


class Tensor(Struct, frozen=True, forbid_unknown_fields=True):
    """What the header says of an array; its bytes are counted from the end of the header."""

    dtype: Literal["U8", "I32", "I64", "F32", "F64"]
    shape: list[Size]
    data_offsets: tuple[Size, Size]


def mapped(path: Path) -> mmap.mmap:
    """Map a file into memory, read-only; it isn't empty."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_arrays(content: Content) -> Arrays:
    """View the arrays of a safetensors file: the length of a header, the header as JSON, then raw numbers.

    Raises
    ------
    ModelError
        If the header is something else, or speaks of bytes that aren't there.
    """
    start = HEADER_START + int.from_bytes(content[:HEADER_START], "little")
    try:
        header: dict[str, Any] = msgspec.json.decode(content[HEADER_START:start], type=dict[str, Any])
        header.pop("__metadata__", None)
        tensors = msgspec.convert(header, dict[str, Tensor])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"no header of safetensors ({error})") from None
    return {name: _array(content, start, name, tensor) for name, tensor in tensors.items()}


def _array(content: Content, start: int, name: str, tensor: Tensor) -> npt.NDArray[Any]:
    begin, end = tensor.data_offsets
    dtype, n = np.dtype(DTYPES[tensor.dtype]), math.prod(tensor.shape)
    if end - begin != n * dtype.itemsize or start + end > len(content):
        raise ModelError(f"{name}: its bytes are not those of its shape {tensor.shape}")
    return np.frombuffer(content, dtype, n, start + begin).reshape(tensor.shape)
