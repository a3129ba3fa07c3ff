"""What every state demands of the events and ids that it stores."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from tailrank.bounds import MAX_ID_BYTES, check_time, latest_plausible_time
from tailrank.state.base import InvalidEventsError, StateError, StoredEvent

DIGEST_BYTES: Final = 4


class CheckedEvent(NamedTuple):
    """A valid event: user as a key, id as a digest, time in milliseconds, and its position in the call."""

    user_key: bytes
    item_id: str
    event_type: str
    digest: bytes
    time: int
    position: int


def check_events(events: Sequence[StoredEvent], oldest: int) -> list[CheckedEvent]:
    """Check events, and leave out those before `oldest`, in milliseconds.

    A clock that is a little ahead of ours is right about the order of events, not about what is the latest:
    times that are still to come become now.

    Raises
    ------
    InvalidEventsError
        If some are invalid.
    """
    checked, faults, now = [], {}, time.time()
    for index, event in enumerate(events):
        try:
            id_bytes(event.item_id, "item_id")
            id_bytes(event.event_type, "event")
            digest = id_digest(event.event_id)
            user_key = id_bytes(event.user_id, "user_id")
            check_time(event.timestamp)
            time_ms = round(min(event.timestamp, now) * 1000)
        except (StateError, ValueError) as error:
            faults[index] = str(error)
            continue
        if time_ms >= oldest:
            checked.append(CheckedEvent(user_key, event.item_id, event.event_type, digest, time_ms, index))
    if faults:
        raise InvalidEventsError(faults)
    return checked


def id_bytes(name: str, field: str) -> bytes:
    """Encode an id as UTF-8; `field` names it in messages.

    Raises
    ------
    StateError
        If it is empty, longer than `MAX_ID_BYTES` or not Unicode.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise StateError(f"{field} {name!r} isn't valid Unicode ({error.reason}): send another") from None
    if not 0 < len(encoded) <= MAX_ID_BYTES:
        fault = f"{name[:40]!r} has {len(encoded)} bytes of UTF-8" if name else "is empty"
        raise StateError(f"{field} {fault}: send 1 to {MAX_ID_BYTES} bytes")
    return encoded


def id_digest(event_id: str) -> bytes:
    """Hash the id of an event; raises as `id_bytes`."""
    return blake2b(id_bytes(event_id, "event_id"), digest_size=DIGEST_BYTES).digest()


def latest_time() -> int:
    """Return the time, in milliseconds, after which no event can have happened."""
    return round(latest_plausible_time() * 1000)


def without_future(times: Sequence[int], latest: int, first: int) -> Sequence[int]:
    """Let times after `latest` be those of the event before, or `first` if there is none.

    Older versions stored them; they would stay the latest until they come. Times ascend, in milliseconds.
    """
    end = bisect_right(times, latest)
    if end == len(times):
        return times
    before = times[end - 1] if end else first
    return [*times[:end], *[before] * (len(times) - end)]


def expiry_time(ttl: float | None) -> int:
    """Return the time, in milliseconds, before which events have expired; `ttl` in seconds."""
    return 0 if ttl is None else max(0, round((time.time() - ttl) * 1000))
