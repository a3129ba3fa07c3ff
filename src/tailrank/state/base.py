"""`State`: what a server remembers between requests, whatever keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from tailrank.data.histories import History
from tailrank.errors import TailrankError

KEPT: Final = 50
"""Latest events that are kept of a person."""


class StateError(TailrankError):
    """The state can't be opened, read or written."""


@dataclass(frozen=True, slots=True)
class UserEvent:
    """One behaviour of one person.

    Attributes
    ----------
    event_id
        Chosen by the sender: an event that comes again with the same id counts once.
    user_id, item_id
        Non-empty; the item need not be in any catalogue.
    event
        Type, such as `click`.
    timestamp
        Seconds since 1970, up to the year 2100; kept to the millisecond.
    """

    event_id: str
    user_id: str
    item_id: str
    event: str
    timestamp: float


class ItemChange(NamedTuple):
    """An item that was put or deleted after the model was trained.

    Attributes
    ----------
    item_id
        Of a new item, or of one that the model knows.
    fields
        Its columns, as JSON; None where it was deleted.
    vectors
        What encoders made of its text, by the encoder's fingerprint: little-endian float32.
    """

    item_id: str
    fields: bytes | None
    vectors: dict[str, bytes]


class Read(NamedTuple):
    """What one request needs to know: a past, and how many changes of items there were."""

    history: History
    items_version: int


class State(Protocol):
    """Latest events by person, and items that changed; shared by all workers that open the same place.

    Every method raises `StateError` where the state can't be reached, is full or damaged. What a method
    has done when it returns is durable, and seen by every later call, of any worker. A state belongs to the
    event loop that first used it.
    """

    async def append(self, events: Sequence[UserEvent]) -> int:
        """Keep events; gives how many are kept now that were not before.

        An event whose id is among the kept ones of that person, for the same item, is a repetition, and so is
        one that comes twice in a call. Of each person the `KEPT` latest by timestamp stay; of equal
        timestamps, those that came first are older. What has expired is not kept.

        What belongs to one person is kept together or not at all. Where it raises, some people's events may
        be kept, others not: the same call again completes it, and counts nothing twice.

        Raises
        ------
        StateError
            Also where an event can't be kept, and then none is: an id or type that is empty or longer than
            400 bytes of UTF-8, a timestamp out of range.
        """
        ...

    async def read(self, user_id: str) -> Read:
        """Read a person's past, empty for a stranger."""
        ...

    async def erase(self, user_id: str) -> bool:
        """Forget a person; gives whether anything was known."""
        ...

    async def change(self, changes: Sequence[ItemChange]) -> int:
        """Put or delete items, all or none; gives the version after it. An item's latest change counts."""
        ...

    async def changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Give the version, and the items changed after another version, the earliest first."""
        ...

    async def close(self) -> None:
        """Let go of what is open; what was appended is kept."""
        ...
