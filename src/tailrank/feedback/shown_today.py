"""`ShownToday`: which items a log showed today, and at which ranks they were clicked."""

from __future__ import annotations

import platform
from collections import Counter
from typing import Final, Self

import msgspec
from msgspec import Struct

from tailrank.feedback.recent_clicks import Settled
from tailrank.feedback.records import ShownRecord
from tailrank.metrics.popularity import COUNT_LABELS, DECILES
from tailrank.metrics.ranking import TOP

SHOWN_NOTES: Final = "shown today"
"""Kind of the notes in a state that hold this."""

DAY: Final = 86_400
UNKNOWN: Final = "unknown"
"""Bucket of items of which the log doesn't say how often they were in training."""


class ShownNote(Struct, array_like=True, frozen=True):
    """What was shown on a day by UTC, for whoever shares the state.

    Attributes
    ----------
    log, machine
        Where that is logged.
    since
        When the first list of it was shown, in seconds since 1970: later than midnight if the watch began
        later.
    lists, items
        Lists, and distinct items among the first ten of each.
    settled
        Lists of which it is known what was clicked.
    clicks
        Of these, by count bucket and rank: how many items were shown and clicked.
    exposures
        How many items were among the first ten of so many lists: pairs of lists and items, by the lists.
    deciles
        How many of the first ten of all lists were of each tenth of the catalogue, the most popular first;
        empty in notes of older versions.
    """

    log: str
    machine: str
    since: float
    lists: int
    items: int
    settled: int
    clicks: list[tuple[str, int, int, int]]
    exposures: list[tuple[int, int]] = []
    deciles: list[int] = []

    @classmethod
    def decoded(cls, note: bytes) -> Self | None:
        """Read a note; None if another version of tailrank wrote it in another form."""
        try:
            return msgspec.msgpack.decode(note, type=cls)
        except msgspec.DecodeError:
            return None

    def encoded(self) -> bytes:
        """Give what `decoded` reads."""
        return msgspec.msgpack.encode(self)


class ShownToday:
    """Counts what lists of one day, by UTC, show; a later day begins anew.

    Examples
    --------
    >>> today = ShownToday()
    >>> for n, items in enumerate([["a", "b"], ["b", "c"]]):
    ...     today.add(ShownRecord(f"r{n}", "ada", 1.7e9, "m", items, [1, 2], None, b"", (), b"", 0, None))
    >>> today.note("log 1").lists, today.note("log 1").items
    (2, 3)
    """

    def __init__(self) -> None:
        self._begin(0)

    def _begin(self, day: int) -> None:
        self._day, self._since, self._lists, self._settled = day, 0.0, 0, 0
        self._items, self._deciles = Counter[str](), Counter[int]()
        self._shown, self._clicked = Counter[tuple[str, int]](), Counter[tuple[str, int]]()

    def add(self, shown: ShownRecord) -> None:
        """Take a list; one of an earlier day says nothing of today."""
        if not self._is_today(shown.time):
            return
        self._since = min(self._since or shown.time, shown.time)
        self._lists += 1
        self._items.update(shown.item_ids[:TOP])
        self._deciles.update(shown.deciles[:TOP])

    def settle(self, settled: Settled) -> None:
        """Take what became of a list."""
        if not self._is_today(settled.time):
            return
        self._settled += 1
        buckets = None if settled.buckets is None else settled.buckets.tolist()
        for at, clicked in enumerate(settled.clicked.tolist()):
            place = UNKNOWN if buckets is None else COUNT_LABELS[buckets[at]], at + 1
            self._shown[place] += 1
            self._clicked[place] += clicked

    def note(self, log: str) -> ShownNote:
        """Give what others are to know of a log."""
        clicks = [(*place, shown, self._clicked[place]) for place, shown in sorted(self._shown.items())]
        counts = self._lists, len(self._items), self._settled
        exposures = sorted(Counter(self._items.values()).items())
        deciles = [self._deciles[at] for at in range(DECILES)]
        return ShownNote(log, platform.node(), self._since, *counts, clicks, exposures, deciles)

    def _is_today(self, time: float) -> bool:
        day = int(time // DAY)
        if day > self._day:
            self._begin(day)
        return day == self._day
