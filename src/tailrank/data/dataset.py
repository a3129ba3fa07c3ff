"""`Dataset`: items and users' events, integer-coded."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, repeat
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Codes, Offsets
from tailrank.data.columns import Columns
from tailrank.data.frames import Frame
from tailrank.data.histories import UNTYPED, Event, Histories, History, flat_offsets
from tailrank.data.id_checks import unknown_items
from tailrank.data.readers import AS_IS, read_tables, read_taught, read_triples
from tailrank.data.reading import Reading
from tailrank.data.schema import EVENTS, ITEMS, TAUGHT, TRIPLES, raise_failures
from tailrank.data.tables import checked, event_types, with_relations
from tailrank.errors import RequestError

Clock = Literal["timestamp", "elapsed", "position"]
"""What event times are: seconds since 1970, seconds since the user's first event, or only an order."""

CLOCKS: dict[Clock, str] = {
    "timestamp": Columns.TIMESTAMP,
    "elapsed": Columns.ELAPSED,
    "position": Columns.POSITION,
}


@dataclass(frozen=True)
class Dataset:
    """Items and events of one domain.

    Attributes
    ----------
    name
        Name in reports.
    items
        One row an item; the row number is the item's code.
    user_ids
        One id a user; the position is the user's code.
    histories
        Every user's events, oldest first.
    event_types
        Names of the event-type codes.
    clock
        What the event times are.
    read_at
        When it was read, in seconds since 1970.
    triples
        What is known of the items: `head`, `relation` and `tail`, one row a triple; None if nothing is given.
    taught
        How well items go together: `item_id`, `neighbour` and `score`, one row a pair; None if none is given.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a", "b"], "title": ["Tea", "Coffee"]})
    >>> events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": [20, 10]})
    >>> data = Dataset.construct(items, events)
    >>> data.histories.items.tolist()
    [0, 1]
    """

    name: str
    items: pl.DataFrame
    user_ids: pl.Series
    histories: Histories
    event_types: tuple[str, ...]
    clock: Clock
    read_at: float = field(default_factory=time.time, compare=False)
    triples: pl.DataFrame | None = None
    taught: pl.DataFrame | None = None

    @classmethod
    def load(cls, folder: Path | str, reading: Reading = AS_IS) -> Dataset:
        """Read a data folder (see docs/data.md).

        Parameters
        ----------
        folder
            Holds `items` and `events`, and perhaps a `tailrank.toml`.
        reading
            What columns are called there, who takes bad rows, and whom to tell what was recognised.

        Raises
        ------
        DataError
            If a file is missing or breaks the contract; the message names file, row and remedy.
        """
        folder = Path(folder)
        items, events = read_tables(folder, reading)
        known, taught = read_triples(folder, reading), read_taught(folder, reading)
        return cls.construct(items, events, folder.resolve().name, known, taught)

    @classmethod
    def construct(
        cls,
        items: Frame,
        events: Frame,
        name: str = "data",
        triples: Frame | None = None,
        taught: Frame | None = None,
    ) -> Dataset:
        """Code ids as integers and order the events of each user.

        Parameters
        ----------
        items
            polars, pandas or Arrow: `item_id` and any text or attribute columns.
        events
            polars, pandas or Arrow: `user_id`, `item_id`, and `timestamp` or `position`; optionally
            `event`, which some may lack, and `elapsed_seconds`. Values are read as from a data folder
            (docs/data.md). Events at the same time keep the order of `position`, if given, then that of the
            table.
        name
            Name in reports.
        triples
            polars, pandas or Arrow: `head`, `relation` and `tail`, where an item goes by its `item_id`, and
            whatever else has something to do with it by any other id. A relation between items becomes a
            column of theirs that lists ids, for policies to ask for.
        taught
            polars, pandas or Arrow: `item_id`, `neighbour` and `score`, as `tailrank teach` writes them.

        Raises
        ------
        DataError
            If a table breaks the contract, or events name unknown items.
        """
        items, events = checked(items, ITEMS), checked(events, EVENTS)
        raise_failures([unknown_items(events, items)], EVENTS.name)
        clock = choose_clock(events.columns)
        users = events[Columns.USER].unique(maintain_order=True)
        types, event_type = event_types(events)
        # A code is a position: of a user or an item in its table, of an event type in the alphabet.
        coded = events.select(
            pl.col(Columns.USER).cast(pl.Enum(users)).to_physical(),
            pl.col(Columns.ITEM).cast(pl.Enum(items[Columns.ITEM])).to_physical(),
            event_type.cast(pl.Enum(types)).to_physical().cast(pl.Int32).alias(Columns.EVENT),
            *event_order(events.columns),
        )
        coded = sort_events(coded)
        lengths = np.bincount(coded[Columns.USER].to_numpy(), minlength=len(users))
        histories = Histories(
            items=coded[Columns.ITEM].to_numpy().astype(np.int32),
            types=coded[Columns.EVENT].fill_null(UNTYPED).to_numpy(),
            times=coded[CLOCKS[clock]].to_numpy().astype(np.float64),
            offsets=flat_offsets(lengths),
        )
        known = None if triples is None else checked(triples, TRIPLES)
        if known is not None:
            items = with_relations(items, known)
        pairs = None if taught is None else checked(taught, TAUGHT)
        if pairs is not None:
            neighbours = pairs.select(pl.col(Columns.NEIGHBOUR).alias(Columns.ITEM))
            raise_failures([unknown_items(side, items) for side in (pairs, neighbours)], TAUGHT.name)
        return cls(name, items, users, histories, tuple(types), clock, triples=known, taught=pairs)

    def __repr__(self) -> str:
        events = f"{len(self.histories.items):,} events of {self.n_users:,} users"
        return f"Dataset({self.name!r}: {self.n_items:,} items, {events}, by {CLOCKS[self.clock]})"

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users with events."""
        return len(self.user_ids)

    @cached_property
    def item_ids(self) -> list[str]:
        """Id of each item code."""
        return self.items[Columns.ITEM].to_list()

    @cached_property
    def item_index(self) -> dict[str, int]:
        """Code of each item id."""
        return {name: code for code, name in enumerate(self.item_ids)}

    @cached_property
    def _names(self) -> npt.NDArray[np.object_]:
        """The item ids, to take many at once; shape (items,)."""
        return np.array(self.item_ids, object)

    @cached_property
    def _user_index(self) -> dict[str, int]:
        """Code of each user id."""
        return {name: code for code, name in enumerate(self.user_ids.to_list())}

    @property
    def fingerprint(self) -> str:
        """Hash of item ids, events, triples and what is taught, the same for the same data."""
        h = self.histories
        digest = hashlib.blake2b("\n".join(self.item_ids).encode(), digest_size=16)
        for array in (h.items, h.types, h.times, h.offsets):
            digest.update(array.tobytes())
        for table in (self.triples, self.taught):
            for column in () if table is None else table:
                digest.update("\n".join(column.cast(pl.String).fill_null("")).encode())
        return digest.hexdigest()

    @cached_property
    def counts(self) -> Offsets:
        """Interactions of each item, shape (items,)."""
        return np.bincount(self.histories.items, minlength=self.n_items)

    def codes(self, ids: Iterable[str]) -> Codes:
        """Look up item codes.

        Raises
        ------
        RequestError
            If an id is not in the catalogue.
        """
        try:
            return np.array([self.item_index[name] for name in ids], dtype=np.int32)
        except KeyError as unknown:
            raise RequestError(f"item_id {unknown} is not in the catalogue of {self.name}") from None

    def history(self, user_id: str) -> list[Event]:
        """List one user's events, oldest first, as `Reranker.rank` accepts them.

        Raises
        ------
        RequestError
            If the user has none.
        """
        user = self.user_ids.index_of(user_id)
        if user is None:
            raise RequestError(f"user_id {user_id!r} has no events in {self.name}")
        at = slice(*self.histories.offsets[user : user + 2].tolist())
        return self.events(self.histories, at)

    def latest(self, user_ids: Sequence[str], n: int) -> list[History]:
        """Give the latest `n` events of each of some users; of one who has none, an empty history."""
        users = np.fromiter(map(self._user_index.get, user_ids, repeat(-1)), np.int64, len(user_ids))
        offsets, known = self.histories.offsets, users >= 0
        starts, ends = np.where(known, offsets[users], 0), np.where(known, offsets[users + 1], 0)
        found = self.histories.cut(np.maximum(starts, ends - n), ends)
        items = self._names[found.items].tolist()
        types = np.array([*self.event_types, ""], object)[found.types].tolist()  # `UNTYPED` is the last
        times = found.times.tolist()
        return [
            History(items[start:end], types[start:end], times[start:end])
            for start, end in pairwise(found.offsets.tolist())
        ]

    def events(self, histories: Histories, at: slice) -> list[Event]:
        """Name the items and types of a slice of coded events."""
        ids = (self.item_ids[code] for code in histories.items[at])
        types = (None if code == UNTYPED else self.event_types[code] for code in histories.types[at])
        return list(map(Event, ids, types, histories.times[at].tolist()))

    def until(self, ends: Offsets) -> Dataset:
        """Drop each user's events from position `ends[user]` of the flat arrays on; shape (users,)."""
        return replace(self, histories=self.histories.cut(self.histories.offsets[:-1], ends))


def choose_clock(columns: Collection[str]) -> Clock:
    """Choose the clock of events from the columns that they have."""
    return next(clock for clock, column in CLOCKS.items() if column in columns)


def event_order(columns: Collection[str]) -> list[str]:
    """List the columns that a user's events are sorted by."""
    order = dict.fromkeys((CLOCKS[choose_clock(columns)], Columns.POSITION))
    return [name for name in order if name in columns]


def sort_events(events: pl.DataFrame) -> pl.DataFrame:
    """Sort events by user and then by `event_order`; equal ones stay in their order."""
    # Stable sorts by one column each take half the time of one sort by all of them.
    for column in reversed([Columns.USER, *event_order(events.columns)]):
        events = events.sort(column, maintain_order=True)
    return events
