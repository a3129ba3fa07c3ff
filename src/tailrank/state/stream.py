"""`Stream`: what `tailrank consume` reads, and the entries of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Entry(NamedTuple):
    """An entry of a stream.

    Attributes
    ----------
    id
        As the stream knows it.
    place
        The same in words.
    content
        JSON, or nothing.
    missing
        Why there is nothing.
    """

    id: Any
    place: str
    content: bytes
    missing: str


class Stream(Protocol):
    """A stream that a group of consumers shares; calls raise StateError if it is out of reach, or refuses."""

    name: str

    async def create_group(self) -> None:
        """Make the group, if there is none, to read the stream from its start."""

    async def new(self, block_ms: int | None = None) -> Sequence[Entry]:
        """Read what nobody of the group has read; if there is nothing, wait so long for it."""
        ...

    async def unfinished(self) -> Sequence[Entry]:
        """Read again what this consumer has read and not acknowledged."""
        ...

    async def abandoned(self, idle_seconds: float) -> Sequence[Entry]:
        """Take over what a consumer read so long ago and didn't acknowledge."""
        ...

    async def acknowledge(self, entries: Sequence[Any]) -> None:
        """Say that entries, by their ids, are finished."""

    async def close(self) -> None:
        """Let go of the connection."""
