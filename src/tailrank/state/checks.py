"""What every state asks of the events and changes that it is given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from tailrank.state.base import ItemChange, StateError, UserEvent

LONGEST: Final = 400
YEAR_2100: Final = 4_102_444_800
DIGEST_BYTES: Final = 4


class Checked(NamedTuple):
    """An event that can be kept: its person as a key, its id as a digest, its time in milliseconds."""

    user: bytes
    item: str
    event: str
    digest: bytes
    time: int


def check_events(events: Sequence[UserEvent], oldest: int) -> list[Checked]:
    """Check events, and leave out those before a time in milliseconds.

    Raises
    ------
    StateError
        Where one can't be kept; it names its place.
    """
    checked = []
    for place, event in enumerate(events):
        try:
            id_bytes(event.item_id, "item_id")
            id_bytes(event.event, "event")
            digest = blake2b(id_bytes(event.event_id, "event_id"), digest_size=DIGEST_BYTES).digest()
            user, when = id_bytes(event.user_id, "user_id"), _milliseconds(event.timestamp)
        except StateError as error:
            raise StateError(f"event {place}: {error}") from None
        if when >= oldest:
            checked.append(Checked(user, event.item_id, event.event, digest, when))
    return checked


def check_changes(changes: Sequence[ItemChange]) -> None:
    """Check the ids of items.

    Raises
    ------
    StateError
        Where one can't be kept; it names its place.
    """
    for place, change in enumerate(changes):
        try:
            id_bytes(change.item_id, "item_id")
        except StateError as error:
            raise StateError(f"change {place}: {error}") from None


def id_bytes(name: str, what: str) -> bytes:
    """Write an id as UTF-8.

    Raises
    ------
    StateError
        Where it is empty, longer than `LONGEST` bytes or not Unicode.
    """
    try:
        written = name.encode()
    except UnicodeEncodeError as error:
        raise StateError(f"{what} {name!r} isn't valid Unicode ({error.reason}): send another") from None
    if not 0 < len(written) <= LONGEST:
        short = f"{name[:40]!r} has {len(written)} bytes of UTF-8" if name else "is empty"
        raise StateError(f"{what} {short}: send 1 to {LONGEST} bytes")
    return written


def oldest_kept(ttl: float | None) -> int:
    """Give the time, in milliseconds, before which events have expired."""
    return 0 if ttl is None else max(0, round((time.time() - ttl) * 1000))


def _milliseconds(timestamp: float) -> int:
    if not 0 <= timestamp <= YEAR_2100:
        raise StateError(f"timestamp {timestamp!r} is outside 1970 to 2100: send seconds since 1970")
    return round(timestamp * 1000)
