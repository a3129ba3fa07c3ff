"""`Catalogue`: turns ids of a request into the codes that signals work on."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise, repeat
from typing import Any, Self

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Codes, Floats, Offsets, Seconds
from tailrank.data.candidates import Candidates
from tailrank.data.columns import Columns
from tailrank.data.dataset import Clock
from tailrank.data.histories import UNTYPED, Histories, History, flat_offsets
from tailrank.errors import RequestError
from tailrank.metrics.popularity import tail_items
from tailrank.policy.tail import rarity
from tailrank.ranking.attributes import ItemAttributes
from tailrank.ranking.fusion import count_levels
from tailrank.ranking.hashed_codes import LARGE, HashedCodes
from tailrank.ranking.layers import no_layers, with_layer, without
from tailrank.signals.room import Room


def check_strings(ids: Iterable[object], role: str) -> None:
    """Check that ids are strings.

    Raises
    ------
    RequestError
        On the first that is none, naming its role; or if `ids` is one, whose letters would count as ids.
    """
    if isinstance(ids, str):
        raise RequestError(f"{role} ids must be a list, not {ids!r}")
    for name in ids:
        if not isinstance(name, str):
            raise RequestError(f"{role} {name!r} is no string: give ids as they stand in the data")


@dataclass(frozen=True)
class Catalogue:
    """The items that can be ranked and the event types that are known.

    Attributes
    ----------
    attributes
        What is said of the items of the data learned from, and of those that came or changed since.
    counts
        Interactions of each item in the data learned from, shape (items,); 0 for items that came since.
    event_types
        Positions are event-type codes.
    clock
        What event times meant in the data learned from.
    trained
        Codes of `items` by their ids.
    levels
        Count level of each item, as fusion's weights tell them apart, shape (items,).
    rarity
        Rarity of each item, shape (items,).
    changed
        Codes of items that came since, and -1 for those that went: the latest first, so that one more costs
        no copy of all.
    free
        Codes of items that came since and went again.
    room
        Behind `counts`, `levels` and `rarity`.
    """

    attributes: ItemAttributes
    counts: Offsets
    event_types: tuple[str, ...]
    clock: Clock
    trained: Mapping[str, int] | HashedCodes
    levels: Codes
    rarity: Floats
    changed: ChainMap[str, int] = field(default_factory=no_layers)
    free: tuple[int, ...] = ()
    room: Room = field(default_factory=Room, compare=False, repr=False)

    @classmethod
    def from_items(
        cls,
        items: pl.DataFrame,
        counts: Offsets,
        event_types: tuple[str, ...],
        clock: Clock,
        changed: Mapping[str, int] | None = None,
        later: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Self:
        """Code the items by their rows; `later` says what was said of items since."""
        ids = items[Columns.ITEM].to_list()
        hashed = HashedCodes.from_ids(ids) if len(ids) > LARGE else None
        trained = hashed or {name: code for code, name in enumerate(ids)}
        known = changed or {}
        free = set(range(len(items), len(counts))).difference(known.values())
        return cls(
            ItemAttributes(items, ChainMap({}, dict(later or {}))),
            counts,
            event_types,
            clock,
            trained,
            count_levels(counts),
            rarity(counts),
            ChainMap({}, dict(known)),
            tuple(sorted(free, reverse=True)),
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __repr__(self) -> str:
        return f"Catalogue({len(self):,} items, {self.counts.sum():,} events)"

    @property
    def items(self) -> pl.DataFrame:
        """Those of the data learned from; row numbers are item codes."""
        return self.attributes.items

    def tail_of(self, codes: Codes) -> Bools:
        """Mark the items outside the most popular 20% of those learned from, shape (codes,).

        Items that came since are, and so is -1, an unknown one.
        """
        size = len(self.items)
        tail = self.attributes.once("tail", lambda: np.append(tail_items(self.counts[:size]), True))
        return tail.take(np.minimum(codes, size))

    def codes_of(self, ids: Sequence[str]) -> Codes:
        """Code items, shape (ids,); -1 for those that are unknown."""
        if isinstance(self.trained, HashedCodes):
            codes = self.trained.of(ids)
        else:
            codes = np.fromiter(map(self.trained.get, ids, repeat(-1)), np.int32, len(ids))
        for later in reversed(self.changed.maps):
            if later and not later.keys().isdisjoint(ids):
                for at, name in enumerate(ids):
                    if name in later:
                        codes[at] = later[name]
        return codes

    def ids_of(self, codes: Codes) -> list[str]:
        """Name items by their codes, the inverse of `codes_of`."""
        trained, size = self.attributes.column(Columns.ITEM), len(self.items)
        later = {code: name for name, code in self.changed.items() if code >= 0}
        return [trained[code] if code < size else later[code] for code in codes.tolist()]

    @property
    def known_codes(self) -> Codes:
        """Codes of the items that there are now, ascending; shape (known,)."""
        known = np.ones(len(self), bool)
        known[list(self.free)] = False
        for name, code in self.changed.items():
            if code < 0:
                known[self.trained[name]] = False
        return np.flatnonzero(known).astype(np.int32)

    def types_of(self, names: Sequence[str]) -> Codes:
        """Code event types, shape (names,); `UNTYPED` for those that are unknown or empty."""
        return np.fromiter(map(self._type_codes.get, names, repeat(UNTYPED)), np.int32, len(names))

    def with_items(self, ids: Sequence[str], columns: Sequence[Mapping[str, Any]] | None = None) -> Self:
        """Add the items that are unknown so far; the known ones keep their codes.

        `columns` is what is said of each; without it, what was said of known items stands.

        An item that went and comes back has the code, and so the interactions, that it was trained with.
        One that was not trained with has a code that is free because another one went, or the next one.
        """
        back = [name for name in ids if name in self.trained]
        came = [name for name in ids if name not in self.trained and name not in self.changed]
        size, reused = len(self), min(len(came), len(self.free))
        free, taken = self.free[: len(self.free) - reused], self.free[len(self.free) - reused :]
        grown = size + len(came) - reused
        codes = [*reversed(taken), *range(size, grown)]
        counts, levels, rarity = self.room.extended(
            grown, (self.counts, 0), (self.levels, 0), (self.rarity, 1)
        )
        changed = with_layer(without(self.changed, back), dict(zip(came, codes, strict=True)))
        attributes = self.attributes
        if columns is not None:
            attributes = attributes.with_items(dict(zip(ids, columns, strict=True)))
        return replace(
            self,
            attributes=attributes,
            counts=counts,
            levels=levels,
            rarity=rarity,
            changed=changed,
            free=free,
        )

    def without_items(self, ids: Sequence[str]) -> Self:
        """Forget items: their ids become unknown. Ids that are unknown already are passed over."""
        gone = {name: -1 for name in ids if name in self.trained}
        came = {name: self.changed[name] for name in ids if name not in self.trained and name in self.changed}
        free = tuple(sorted((*self.free, *came.values()), reverse=True))
        changed = with_layer(without(self.changed, came), gone)
        return replace(self, attributes=self.attributes.without_items(ids), changed=changed, free=free)

    def unknown(self, ids: Sequence[str], role: str) -> list[str]:
        """List the ids that aren't in the catalogue.

        Raises
        ------
        RequestError
            If one is no string, so that numbers don't pass for items that went; it names its role.
        """
        unknown = [name for name, code in zip(ids, self.codes_of(ids).tolist(), strict=True) if code < 0]
        check_strings(unknown, role)
        return unknown

    def candidates(self, codes: Codes) -> Candidates:
        """Make candidates of distinct item codes, shape (candidates,)."""
        return Candidates(codes, len(self))

    def events_of(self, histories: Histories) -> Iterator[History]:
        """Name the events of coded histories, one user after the other."""
        ids, names = self.ids_of(histories.items), (*self.event_types, "")
        for start, stop in pairwise(histories.offsets.tolist()):
            types = [names[code] for code in histories.types[start:stop].tolist()]
            yield History(ids[start:stop], types, histories.times[start:stop].tolist())

    def histories(self, pasts: Sequence[History]) -> tuple[Histories, list[list[str]]]:
        """Code the events of users, and name the items that each has and nobody knows: these are dropped.

        An event without a time counts as simultaneous with the one before it, and so does one that seems
        earlier: clocks differ. A model that learned from positions is given positions.

        Parameters
        ----------
        pasts
            One of each user, of at least one.

        Returns
        -------
        tuple[Histories, list[list[str]]]
            As many histories, and the unknown items of each.

        Raises
        ------
        RequestError
            If an id or an event type is no string.
        """
        ids, types, times = pasts[0] if len(pasts) == 1 else map(_flat, zip(*pasts, strict=True))
        lengths = np.fromiter((len(past.items) for past in pasts), np.int64, len(pasts))
        if set(map(type, types)) - {str}:
            check_strings(types, "event type")
        try:
            codes = self.codes_of(ids)
        except TypeError:  # a list or dict can't be looked up
            check_strings(ids, "history item")
            raise
        type_codes, seconds = self.types_of(types), np.array(times, np.float64)
        unknown: list[list[str]] = [[] for _ in pasts]
        if codes.min(initial=0) < 0:
            known, owners = codes >= 0, np.arange(len(pasts)).repeat(lengths)
            for owner, name in zip(owners[~known].tolist(), self.unknown(ids, "history item"), strict=True):
                unknown[owner].append(name)
            codes, type_codes, seconds = codes[known], type_codes[known], seconds[known]
            lengths = np.bincount(owners[known], minlength=len(pasts))
        offsets = flat_offsets(lengths)
        if self.clock == "position":
            seconds = (np.arange(len(codes)) - offsets[:-1].repeat(lengths)).astype(np.float64)
        else:
            _ascend(seconds, offsets)
        return Histories(codes, type_codes, seconds, offsets), unknown

    @cached_property
    def _type_codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.event_types)}


def _flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def _ascend(times: Seconds, offsets: Offsets) -> None:
    """Give each event that seems earlier than one before it, or has no time, the latest time before it."""
    for start, end in pairwise(offsets.tolist()):
        np.maximum.accumulate(times[start:end], out=times[start:end])
    times[np.isinf(times)] = 0.0
