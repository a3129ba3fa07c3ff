"""Unpacks bodies that were sent with `Content-Encoding: gzip`."""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and checksum."""


class TooLargeError(Exception):
    """A body is larger than allowed, packed or unpacked; the limit in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit / 1e6:g} MB: send less at once")


def unpacked_gzip(packed: bytes, limit: int) -> bytes:
    """Unpack, in memory of about the limit at most.

    Parameters
    ----------
    packed
        One gzip member; no HTTP client sends several.
    limit
        Bytes.

    Raises
    ------
    ValueError
        If it isn't one whole gzip member.
    TooLargeError
        If it holds more than the limit.

    Examples
    --------
    >>> import gzip
    >>> unpacked_gzip(gzip.compress(b"[]"), 2)
    b'[]'
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(packed, limit + 1)
    except zlib.error as why:
        raise ValueError(str(why)) from None
    if len(body) > limit:
        raise TooLargeError(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it has no end" if not unpacker.eof else "something follows its end")
    return body
