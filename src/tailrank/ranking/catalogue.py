"""`Catalogue`: turns ids of a request into the codes that signals work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from typing import Self

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Floats, Offsets, Seconds
from tailrank.data.candidates import Candidates
from tailrank.data.columns import Columns
from tailrank.data.dataset import Clock
from tailrank.data.histories import Event, Histories
from tailrank.errors import RequestError
from tailrank.metrics.popularity import count_buckets
from tailrank.policy.long_tail import rarity


@dataclass(frozen=True)
class Catalogue:
    """The items that can be ranked and the event types that are understood.

    Attributes
    ----------
    items
        Those of the data learned from; row numbers are item codes.
    counts
        Interactions of each item in the data learned from, shape (items,); 0 for items that came since.
    event_types
        Positions are event-type codes.
    clock
        What event times meant in the data learned from.
    trained
        Codes of `items` by their ids.
    changed
        Codes of items that came since, and -1 for those that went.
    """

    items: pl.DataFrame
    counts: Offsets
    event_types: tuple[str, ...]
    clock: Clock
    trained: Mapping[str, int]
    changed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        items: pl.DataFrame,
        counts: Offsets,
        event_types: tuple[str, ...],
        clock: Clock,
        changed: Mapping[str, int] | None = None,
    ) -> Self:
        """Code the items by their rows."""
        trained = {name: code for code, name in enumerate(items[Columns.ITEM].to_list())}
        return cls(items, counts, event_types, clock, trained, changed or {})

    def __len__(self) -> int:
        return len(self.counts)

    def codes_of(self, ids: Sequence[str]) -> Codes:
        """Code items, shape (ids,); -1 for those that are unknown."""
        codes = np.fromiter(map(self.trained.get, ids, repeat(-1)), np.int32, len(ids))
        later = self.changed
        if not later.keys().isdisjoint(ids):
            for at, name in enumerate(ids):
                if name in later:
                    codes[at] = later[name]
        return codes

    def types_of(self, names: Sequence[str]) -> Codes:
        """Code event types, shape (names,); an unknown one counts as the first, as no type does."""
        return np.fromiter(map(self._type_codes.get, names, repeat(0)), np.int32, len(names))

    def with_items(self, ids: Sequence[str]) -> Self:
        """Add the items that are unknown so far; the known ones keep their codes.

        An item that went and comes back has the code, and so the interactions, that it was trained with.
        """
        changed, size = dict(self.changed), len(self)
        for name in ids:
            if name in self.trained:
                changed.pop(name, None)
            elif name not in changed:
                changed[name] = size
                size += 1
        counts = np.zeros(size, np.int64)
        counts[: len(self)] = self.counts
        return replace(self, counts=counts, changed=changed)

    def without(self, ids: Sequence[str]) -> Self:
        """Forget items: their ids become unknown. Ids that are unknown already are passed over."""
        changed = dict(self.changed)
        for name in ids:
            changed.pop(name, None)
            if name in self.trained:
                changed[name] = -1
        return replace(self, changed=changed)

    def candidates(self, ids: Sequence[str]) -> Candidates:
        """Code a candidate list.

        Raises
        ------
        RequestError
            On unknown or repeated ids.
        """
        if len(set(ids)) != len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise RequestError(f"candidate {twice!r} occurs more than once: give each item once")
        return Candidates(self._codes(ids, "candidate"), len(self))

    def history(self, events: Sequence[str | Event]) -> Histories:
        """Code one person's events, oldest first.

        Raises
        ------
        RequestError
            On unknown items or event types, or timestamps that descend or are given for some events only.
        """
        ids = [event.item_id if isinstance(event, Event) else event for event in events]
        items = self._codes(ids, "history item")
        types, times = np.zeros(len(items), np.int32), np.zeros(len(items))
        if any(isinstance(event, Event) for event in events):
            told = [event if isinstance(event, Event) else Event(event) for event in events]
            types, times = self._types(told), _times(told)
        return Histories(items, types, times, np.array([0, len(items)], np.int64))

    @cached_property
    def buckets(self) -> Codes:
        """Count bucket of each item, shape (items,)."""
        return count_buckets(self.counts)

    @cached_property
    def rare(self) -> Floats:
        """Rarity of each item, shape (items,)."""
        return rarity(self.counts)

    def _codes(self, ids: Sequence[str], what: str) -> Codes:
        codes = self.codes_of(ids)
        if len(codes) and codes.min() < 0:
            unknown = ids[int(codes.argmin())]
            raise RequestError(f"{what} {unknown!r} is not in the catalogue the model was trained on")
        return codes

    def _types(self, events: Sequence[Event]) -> Codes:
        try:
            types = [0 if event.event is None else self._type_codes[event.event] for event in events]
        except KeyError as unknown:
            known = ", ".join(self.event_types)
            raise RequestError(f"event type {unknown} was not in the training data ({known})") from None
        return np.array(types, np.int32)

    @cached_property
    def _type_codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.event_types)}


def _times(events: Sequence[Event]) -> Seconds:
    given = [event.timestamp for event in events if event.timestamp is not None]
    if not given:
        return np.zeros(len(events))
    if len(given) < len(events):
        raise RequestError("only some of the history's events have a timestamp: give one to all, or to none")
    try:
        times = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise RequestError("the history's timestamps must be numbers: seconds since 1970") from None
    if not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise RequestError("the history's timestamps must be finite and ascend: give the oldest event first")
    return times
