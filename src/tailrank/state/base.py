"""`State`: what a server remembers between requests, whatever stores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from tailrank.data.histories import History
from tailrank.errors import TailrankError
from tailrank.state.bulk import BulkHistories

EVENTS_PER_USER: Final = 50
"""Latest events that are kept of a user."""


class StateError(TailrankError):
    """The state can't be opened, read or written."""


class InvalidEventsError(StateError):
    """Some of the events can't be stored, now or later.

    Attributes
    ----------
    faults
        What is wrong with each, by its position in the call.
    """

    def __init__(self, faults: Mapping[int, str]) -> None:
        super().__init__("; ".join(f"event {at}: {fault}" for at, fault in faults.items()))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event, as a state stores it.

    Attributes
    ----------
    event_id
        Chosen by the sender: an event of the same id, user and item is the same event, and counts once.
    user_id, item_id
        Non-empty; the item need not be in any catalogue.
    event_type
        Such as `click`.
    timestamp
        Seconds since 1970, from 1990 to a day ahead of now (`bounds.check_time`); stored to the millisecond.
        A time that is still to come is stored as now.
    """

    event_id: str
    user_id: str
    item_id: str
    event_type: str
    timestamp: float


class ShownList(NamedTuple):
    """What a user was shown, and when, in seconds since 1970."""

    user_id: str
    item_ids: Sequence[str]
    time: float


class ItemChange(NamedTuple):
    """An item that was put or deleted after the model was trained, or an entry of its review.

    Attributes
    ----------
    item_id
        Of a new item, or of one that the model knows.
    fields
        Its columns, as JSON; None if it was deleted.
    vectors
        Embeddings of its text, by what made them of which text: little-endian float32.
    time
        When it was put or deleted, in seconds since 1970; 0 if that isn't known.
    review
        An entry of the item's review, whose change it is: of the item itself it changes nothing. None in the
        change of an item.
    """

    item_id: str
    fields: bytes | None
    vectors: dict[str, bytes]
    time: float = 0.0
    review: bytes | None = None


class UserSnapshot(NamedTuple):
    """What one request needs to know: a user's history, and how many item changes there were by then."""

    history: History
    items_version: int


class State(Protocol):
    """Latest events by user, and items that changed; shared by all workers that open the same location.

    Every method raises `StateError` if the state can't be reached, is full or damaged. What a method has done
    when it returns is durable, and every later call of any worker sees it. A state belongs to the event loop
    that first used it.
    """

    async def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events.

        An event is a repetition if one with its id and item is already stored for that user, or precedes it
        in the call, whatever its type and time. Of each user the `EVENTS_PER_USER` latest by timestamp stay;
        of equal timestamps, the one that arrived first is older. Expired events are not stored.

        The events of one user are stored together or not at all. If the call raises, those of some users may
        be stored and those of others not: the same call again completes it, and counts nothing twice.

        Returns
        -------
        int
            How many of the events are stored now and were not before.

        Raises
        ------
        InvalidEventsError
            If events are invalid (an id or type that is empty or longer than 400 bytes of UTF-8, a
            timestamp at which it can't have happened), or there is no room for a new name; then none is
            stored.
        """
        ...

    async def load(self, bulk: BulkHistories) -> int:
        """Store whole histories, as `append` would store their events, in a fraction of the time.

        What is stored stays, unless 50 later events push it out. The same call again stores nothing, and
        takes less time; if it raises, call it again.

        Returns
        -------
        int
            How many of the events are stored now and were not before.
        """
        ...

    async def read(self, user_id: str) -> UserSnapshot:
        """Read a user's history, empty if nothing is stored."""
        ...

    def read_at_once(self, user_id: str) -> UserSnapshot | None:
        """Read as `read` does if nothing has to be waited for; else None."""
        ...

    async def erase(self, user_id: str) -> bool:
        """Delete all events of a user, and what they were shown; returns whether there was any of it."""
        ...

    async def add_shown(self, lists: Sequence[ShownList]) -> None:
        """Store what users were shown.

        Of each user the `LISTS_SHOWN` latest lists stay, for `SHOWN_HOURS`, or for as long as events if that
        is shorter.
        """
        ...

    async def shown(self, user_id: str) -> dict[str, list[float]]:
        """Say when a user was shown each item, in seconds since 1970."""
        ...

    async def change_items(self, changes: Sequence[ItemChange]) -> int:
        """Store item changes, all or none; returns the version after them.

        Of an item the latest change counts, of its review every entry.
        """
        ...

    async def item_changes(self, since: int) -> tuple[int, list[ItemChange]]:
        """Return the current version, and the changes after another version, the earliest first."""
        ...

    async def put_note(self, kind: str, name: str, value: bytes) -> None:
        """Store a note in the place of the one that has its kind and name, whole or not at all.

        Notes are small and few: what workers and machines tell each other, beside users and items. A name
        belongs to one writer at a time, or the later of two writings stays.

        Parameters
        ----------
        kind
            What it is about, a word.
        name
            Whose it is, 1 to `MAX_ID_BYTES` bytes of UTF-8.
        value
            Any bytes.
        """
        ...

    async def notes(self, kind: str) -> dict[str, bytes]:
        """Read all notes of a kind, by name, in the order of names."""
        ...

    async def close(self) -> None:
        """Release what is open; what was stored stays."""
        ...
