"""Event sequences of many users as flat arrays, and slices of them as ranking queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets, Seconds
from tailrank.bounds import check_time
from tailrank.data.latest_time import robust_latest
from tailrank.errors import RequestError


def ranges(starts: Offsets, lengths: Offsets) -> Offsets:
    """Concatenate the n integer ranges `starts[i] .. starts[i] + lengths[i]`; shape (sum of lengths,).

    Examples
    --------
    >>> ranges(np.array([3, 10]), np.array([2, 3])).tolist()
    [3, 4, 10, 11, 12]
    """
    shifts: Offsets = starts + lengths
    shifts -= lengths.cumsum()
    found: Offsets = shifts.repeat(lengths)
    found += np.arange(len(found))
    return found


def flat_offsets(lengths: Offsets) -> Offsets:
    """Find where histories of these lengths begin, and the last one ends; shape (histories + 1,)."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    lengths.cumsum(out=offsets[1:])
    return offsets


def parts(sizes: Offsets | Doubles, most: int) -> Iterator[slice]:
    """Cut things of these sizes into slices that add up to `most` or hardly more.

    Examples
    --------
    >>> list(parts(np.array([2, 2, 2, 9, 1]), 4))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 5, None)]
    >>> list(parts(np.array([2, 2, 2, 9, 1]), 16))
    [slice(0, 5, None)]
    """
    nth = np.maximum(-(-np.cumsum(sizes) // most), 1)  # of the slice that holds the end of each
    cuts = np.flatnonzero(np.diff(nth)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), len(sizes)]):
        yield slice(start, stop)


UNTYPED: Final = -1
"""Code of an event that has no type, or one that training never saw: it counts neutrally."""


class Event(NamedTuple):
    """One behaviour of a user.

    `event` names the event type, `timestamp` is in seconds; both may be left out.
    """

    item_id: str
    event: str | None = None
    timestamp: float | None = None


class History(NamedTuple):
    """One user's latest events as columns, oldest first.

    Attributes
    ----------
    items
        Item ids.
    events
        Names of the event types; empty if an event has none.
    times
        Seconds; minus infinity if an event has none, which counts as the time of the event before it.
    """

    items: list[str]
    events: list[str]
    times: list[float]

    @classmethod
    def from_events(cls, events: Sequence[str | Event]) -> Self:
        """Turn item ids and events into columns.

        Raises
        ------
        RequestError
            If timestamps are no finite numbers, descend, are in the future, or are given for some events
            only.
        """
        if Event not in set(map(type, events)):
            return cls(list(events), [""] * len(events), [-np.inf] * len(events))  # type: ignore[arg-type]
        columns = [event if isinstance(event, Event) else Event(event) for event in events]
        types = [event.event or "" for event in columns]
        return cls([event.item_id for event in columns], types, _times(columns))


def _times(events: Sequence[Event]) -> list[float]:
    given = [event.timestamp for event in events if event.timestamp is not None]
    if not given:
        return [-np.inf] * len(events)
    if len(given) < len(events):
        raise RequestError("only some of the history's events have a timestamp: give one to all, or to none")
    try:
        found = np.array(given)
        if found.dtype.kind == "M":  # whose numbers count from 1970, too, but in units of any size
            raise TypeError
        times = found.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RequestError("the history's timestamps must be numbers: seconds since 1970") from None
    if not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise RequestError("the history's timestamps must be finite and ascend: give the oldest event first")
    try:
        check_time(float(times[-1]), earliest=-np.inf)
    except ValueError as why:
        raise RequestError(f"the history's last event: {why}") from None
    return given


@dataclass(frozen=True)
class Histories:
    """Histories of several users, oldest event first.

    History `u` is the slice `offsets[u]:offsets[u + 1]` of the three event arrays.

    Attributes
    ----------
    items
        Item codes, shape (events,).
    types
        Event-type codes, shape (events,); `UNTYPED` for an event without a type, or of an unknown one.
    times
        Seconds, comparable within one history only, shape (events,).
    offsets
        Shape (histories + 1,), starting at 0.
    """

    items: Codes
    types: Codes
    times: Seconds
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        return f"Histories({len(self.items):,} events of {len(self):,} users)"

    @cached_property
    def lengths(self) -> Offsets:
        """Number of events of each history, shape (histories,)."""
        return self.offsets[1:] - self.offsets[:-1]  # a request feels what `diff` costs

    @cached_property
    def owners(self) -> Offsets:
        """Number of the history that each event belongs to, shape (events,)."""
        return np.arange(len(self), dtype=np.int64).repeat(self.lengths)

    @cached_property
    def ages(self) -> Offsets:
        """Events that came after each event in its history (the latest has 0), shape (events,)."""
        ages: Offsets = self.offsets[1:].take(self.owners)
        ages -= np.arange(1, len(self.items) + 1)
        return ages

    @cached_property
    def latest_time(self) -> float:
        """When the events end, for times that are comparable between users; see `robust_latest`."""
        return robust_latest(self.times)

    @cached_property
    def gaps(self) -> Seconds:
        """Seconds from each event to the latest of its history, shape (events,)."""
        last = np.maximum(self.offsets[1:] - 1, 0)
        return self.times.take(last.take(self.owners)) - self.times

    def type_shares(self, n_types: int) -> Floats:
        """Measure how often each event type occurs among the events that have one.

        All alike if none has; shape (n_types,), summing to 1.
        """
        counts = np.bincount(self.types[self.types != UNTYPED], minlength=n_types)
        counts = counts if counts.any() else np.ones(n_types, np.int64)
        shares: Floats = (counts / counts.sum()).astype(np.float32)
        return shares

    def cut(self, starts: Offsets, ends: Offsets) -> Histories:
        """Select slices of the flat arrays as histories of their own.

        Parameters
        ----------
        starts, ends
            Positions in the flat arrays, shape (n,).
        """
        lengths = ends - starts
        at = slice(int(starts[0]), int(ends[0])) if len(starts) == 1 else ranges(starts, lengths)
        return Histories(self.items[at], self.types[at], self.times[at], flat_offsets(lengths))

    def recoded(self, items: Codes, types: Codes) -> Histories:
        """Give items and event types other codes, such as those of a model; events of unknown items go.

        Parameters
        ----------
        items
            New code of each item, -1 if it is unknown, shape (items,).
        types
            New code of each event type and, behind them, of `UNTYPED`, shape (types + 1,).
        """
        codes = items[self.items]
        kept = codes >= 0
        lengths = np.bincount(self.owners[kept], minlength=len(self))
        events = types[self.types[kept]].astype(np.int32, copy=False)
        return Histories(codes[kept], events, self.times[kept], flat_offsets(lengths))

    @classmethod
    def concatenate(cls, parts: Sequence[Histories]) -> Histories:
        """Put histories one after another."""
        columns = zip(*((part.items, part.types, part.times, part.lengths) for part in parts), strict=True)
        items, types, times, lengths = map(np.concatenate, columns)
        return cls(items, types, times, flat_offsets(lengths))

    def latest(self, n: int) -> Histories:
        """Keep the latest `n` events of each history."""
        if len(self.items) <= n or int(self.lengths.max()) <= n:
            return self
        return self.cut(np.maximum(self.offsets[:-1], self.offsets[1:] - n), self.offsets[1:])


@dataclass(frozen=True)
class Queries:
    """Ranking queries: the item that a user chooses next, given the history so far.

    Attributes
    ----------
    source
        The histories that the slices below point into.
    users
        User codes, shape (queries,).
    starts, ends
        Slice of `source` that the ranker may see, shape (queries,).
    full_ends
        End of the slice of all events before the query, shape (queries,); later than `ends` if events
        reach the ranker with a delay. Items in it are masked.
    targets
        Item code of the event that came next, shape (queries,).
    """

    source: Histories
    users: Codes
    starts: Offsets
    ends: Offsets
    full_ends: Offsets
    targets: Codes

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"Queries({len(self):,} of {len(np.unique(self.users)):,} users)"

    def take(self, rows: Offsets | Bools | slice) -> Queries:
        """Select queries by position, mask or slice."""
        users, starts, ends = self.users[rows], self.starts[rows], self.ends[rows]
        return Queries(self.source, users, starts, ends, self.full_ends[rows], self.targets[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Queries]) -> Queries:
        """Put queries of the same source one after another."""
        columns = zip(*((q.users, q.starts, q.ends, q.full_ends, q.targets) for q in parts), strict=True)
        return Queries(parts[0].source, *map(np.concatenate, columns))

    def in_time_order(self) -> Queries:
        """Sort by the time of the target; for times that are comparable between users."""
        return self.take(np.argsort(self.source.times[self.full_ends], kind="stable"))

    def sample(self, n: int, seed: int) -> Queries:
        """Draw at most `n` queries without replacement, in their original order."""
        if len(self) <= n:
            return self
        rows = np.random.default_rng(seed).choice(len(self), n, replace=False)
        return self.take(np.sort(rows))

    def cut(self, n_items: int) -> Iterator[slice]:
        """Cut into slices for which scores of all items, one an event, need at most about 50 MB."""
        events = np.minimum(self.ends - self.starts, 50) + 1
        return parts(events * n_items, 12_000_000)

    def batches(self, n_items: int) -> Iterator[Queries]:
        """Give the queries of each slice of `cut`."""
        return map(self.take, self.cut(n_items))

    @cached_property
    def histories(self) -> Histories:
        """What the ranker may see of each query's history."""
        return self.source.cut(self.starts, self.ends)

    @cached_property
    def full_histories(self) -> Histories:
        """All events before each query, delayed ones included."""
        return self.source.cut(self.starts, self.full_ends)

    @cached_property
    def repeated(self) -> Bools:
        """Whether the target occurs in the full history, shape (queries,)."""
        full = self.full_histories
        hits = full.items == self.targets[full.owners]
        return np.bincount(full.owners, hits, minlength=len(self)) > 0
