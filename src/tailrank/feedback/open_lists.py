"""`OpenLists`: lists that events may still belong to, with what became of them so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from tailrank.arrays import Doubles
from tailrank.feedback.attribution import DISLIKES, MINUTES, Outcome
from tailrank.feedback.impressions import Impression
from tailrank.feedback.records import EventRecord, ShownRecord, encode, user_digest

OPEN_SECONDS: Final = 3_600.0
"""After which no event belongs to a list any more, even if it names it."""

MOST_LISTS: Final = 50_000
"""What is kept, at most: about 2 kB each."""

MOST_OF_ONE: Final = 100
"""Lists of a user among which an event that names none looks for its own."""

_DECODER: Final = msgspec.msgpack.Decoder(ShownRecord)


@dataclass(slots=True)
class OpenList:
    """A list, packed until an event comes.

    Attributes
    ----------
    segment
        Of the log, where it is.
    user
        Digest of whom it was shown to; empty if that isn't known.
    time
        When, in seconds since 1970.
    packed
        Its record.
    first
        By the type of an event and the position of an item, from 0, when the first one happened.
    """

    segment: str
    user: str
    time: float
    packed: bytes
    first: dict[tuple[str, int], float] = field(default_factory=dict)

    def place(self, item_id: str) -> int | None:
        """Find an item; None if it wasn't shown."""
        items = _DECODER.decode(self.packed).item_ids
        return items.index(item_id) if item_id in items else None

    def note(self, event_type: str, place: int, time: float) -> None:
        """Take an event on an item."""
        key = event_type, place
        self.first[key] = min(time, self.first.get(key, time))

    def outcome(self) -> Outcome:
        """Tell what became of it so far, down to the last rank that is learned from."""
        seen = _impression(_DECODER.decode(self.packed))
        clicked, times = np.zeros(len(seen), np.bool_), dict[str, Doubles]()
        for (name, at), time in self.first.items():
            if at < len(seen):
                clicked[at] |= name not in DISLIKES
                times.setdefault(name, np.full(len(seen), np.nan))[at] = time
        return Outcome(seen, clicked, times)


class OpenLists:
    """Lists of the last hour, in the order in which they were logged.

    Parameters
    ----------
    ranks
        How many of each are learned from.
    """

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._lists: dict[str, OpenList] = {}
        self._by_user: dict[str, list[str]] = {}
        self._segments = Counter[str]()

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def segments(self) -> frozenset[str]:
        """Segments of the log that hold them."""
        return frozenset(self._segments)

    def add(self, segment: str, shown: ShownRecord) -> bool:
        """Keep a list, unless one of the same id is kept; returns whether it is."""
        if shown.ranking_id in self._lists:
            return False
        user = user_digest(shown.user_id) if shown.user_id else ""
        self._lists[shown.ranking_id] = OpenList(segment, user, shown.time, self._packed(shown))
        self._segments[segment] += 1
        if user:
            self._by_user.setdefault(user, []).append(shown.ranking_id)
        if len(self._lists) > MOST_LISTS:
            self._remove(next(iter(self._lists)))
        return True

    def find(self, event: EventRecord) -> tuple[OpenList, int] | None:
        """Find the list that an event belongs to, as `attributed` does, and the position of its item."""
        user = user_digest(event.user_id)
        for name in self._named(event, user):
            shown = self._lists[name]
            place = shown.place(event.item_id)
            if place is not None:
                within = OPEN_SECONDS if event.ranking_id else 60 * MINUTES
                theirs = shown.user in ("", user) and event.timestamp <= shown.time + within
                return (shown, place) if theirs else None
        return None

    def _named(self, event: EventRecord, user: str) -> Iterator[str]:
        """Name the lists that an event may belong to, the likeliest first."""
        if event.ranking_id is not None:
            yield from (event.ranking_id,) if event.ranking_id in self._lists else ()
            return
        names, lists = self._by_user.get(user, [])[-MOST_OF_ONE:], self._lists
        earlier = [name for name in names if lists[name].time <= event.timestamp]
        yield from sorted(earlier, key=lambda name: lists[name].time, reverse=True)

    def close(self, before: float) -> None:
        """Let lists go that were shown before a time."""
        for name in [*self._lists]:
            if self._lists[name].time >= before:
                break
            self._remove(name)

    def erase(self, digest: str, until: float) -> None:
        """Let the lists of a user go that were shown until a time."""
        for name in [name for name in self._by_user.get(digest, ()) if self._lists[name].time <= until]:
            self._remove(name)

    def _packed(self, shown: ShownRecord) -> bytes:
        """Encode what is learned from, and all items, since the latest list that showed one counts."""
        return encode(
            msgspec.structs.replace(
                shown,
                previous_ranks=(),
                scores=None,
                signals=shown.signals[: 4 * len(shown.signal_names) * self._ranks],
                count_levels=shown.count_levels[: 4 * self._ranks],
                propensities=None,
                upstream=None,
                explored=None,
            )
        )

    def _remove(self, name: str) -> None:
        gone = self._lists.pop(name)
        self._segments[gone.segment] -= 1
        if not self._segments[gone.segment]:
            del self._segments[gone.segment]
        if gone.user:
            self._by_user[gone.user].remove(name)
            if not self._by_user[gone.user]:
                del self._by_user[gone.user]


def _impression(shown: ShownRecord) -> Impression:
    """Take a packed record as far as its signals go."""
    names, levels = shown.signal_names, np.frombuffer(shown.count_levels, "<i4")
    n = len(levels)
    return Impression(
        shown.ranking_id,
        shown.user_id,
        shown.time,
        shown.model,
        shown.item_ids[:n],
        np.arange(1, n + 1),
        np.full(n, np.nan),
        np.frombuffer(shown.signals, "<f4").reshape(n, len(names)),
        names,
        levels,
        shown.history_bucket,
        np.ones(n),
    )
