"""What became of each ranking within two minutes, told as soon as they are over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Codes
from tailrank.feedback.attribution import DISLIKES
from tailrank.feedback.records import EventRecord, ShownRecord
from tailrank.metrics.popularity import count_buckets
from tailrank.metrics.ranking import TOP

WITHIN: Final = 120.0
"""Seconds that a click may take. A rate has to be the same share of all clicks, early; it needn't be all."""


class Settled(NamedTuple):
    """The first ten items of a ranking.

    Attributes
    ----------
    time
        When it was shown, in seconds since 1970.
    clicked
        Shape (items,).
    buckets
        Count bucket of each item, shape (items,); None if that isn't known.
    """

    time: float
    clicked: Bools
    buckets: Codes | None


class RecentClicks:
    """Joins clicks with the rankings that they name, or with one that showed the item shortly before.

    A click may come before its ranking does, as from another worker. Of a user's rankings within two minutes
    that show an item, a click that names none counts for the earliest.
    """

    def __init__(self) -> None:
        self._shown: deque[ShownRecord] = deque()
        self._clicks, self._former = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
        """When an item was clicked, by ranking or user, and by item: since `_turned`, and before."""
        self._turned = 0.0

    def shown(self, record: ShownRecord) -> None:
        """Take a ranking."""
        self._shown.append(record)

    def event(self, record: EventRecord) -> None:
        """Take an event."""
        if record.event not in DISLIKES:
            self._clicks[record.ranking_id or _of(record.user_id), record.item_id] = record.timestamp

    def settled(self, now: float) -> Iterator[Settled]:
        """Give the rankings whose two minutes are over, each once, in the order in which they came."""
        while self._shown and self._shown[0].time < now - WITHIN:
            yield self._settled(self._shown.popleft())
        if now > self._turned + 2 * WITHIN:
            self._clicks, self._former, self._turned = {}, self._clicks, now

    def _settled(self, shown: ShownRecord) -> Settled:
        items = shown.item_ids[:TOP]
        clicked = np.array([self._is_clicked(shown, item) for item in items], np.bool_)
        levels = np.frombuffer(shown.count_levels, "<i4")[:TOP]
        return Settled(shown.time, clicked, count_buckets(levels) if shown.signal_names else None)

    def _is_clicked(self, shown: ShownRecord, item: str) -> bool:
        for clicks in (self._clicks, self._former):
            named, at = (shown.ranking_id, item), (_of(shown.user_id), item)
            if clicks.pop(named, None) is not None:
                return True
            if 0 <= clicks.get(at, -1.0) - shown.time <= WITHIN:
                del clicks[at]
                return True
        return False


def _of(user_id: str) -> str:
    """Give the key of a user's clicks that name no ranking; no ranking's id looks like it."""
    return f"\0{user_id}"
