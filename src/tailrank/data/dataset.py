"""`Dataset`: a catalogue and what people did with it, integer-coded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Offsets
from tailrank.data.columns import Columns
from tailrank.data.histories import Histories
from tailrank.data.readers import read_events, read_items
from tailrank.errors import DataError, RequestError

Clock = Literal["timestamp", "elapsed", "position"]
"""What `Histories.times` means: seconds since 1970, seconds since the person's first event, or only an order."""

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
        Name used in reports.
    items
        One row an item; its row number is the item's code.
    user_ids
        One id a user; its position is the user's code.
    histories
        Every user's events, oldest first.
    event_types
        Names of the event-type codes.
    clock
        Meaning of the event times.

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

    @classmethod
    def load(cls, folder: Path | str) -> Dataset:
        """Read a data folder (see docs/data.md).

        Raises
        ------
        DataError
            Where a file is missing or breaks the contract; the message names file, row and remedy.
        """
        folder = Path(folder)
        return cls.construct(read_items(folder), read_events(folder), name=folder.resolve().name)

    @classmethod
    def construct(cls, items: pl.DataFrame, events: pl.DataFrame, name: str = "data") -> Dataset:
        """Code ids as integers and order the events of each user.

        Parameters
        ----------
        items
            `item_id` and any text or attribute columns.
        events
            `user_id`, `item_id`, and `timestamp` (seconds) or `position`; optionally `event` and
            `elapsed_seconds`. Events at the same time keep the order of the table.

        Raises
        ------
        DataError
            On duplicate item ids, events on unknown items, or no time column.
        """
        items = items.with_columns(pl.col(Columns.ITEM).cast(pl.String))
        clock, order = _clock(events)
        item_codes = items.select(pl.col(Columns.ITEM)).with_row_index("_item")
        if items[Columns.ITEM].n_unique() != len(items):
            twice = items[Columns.ITEM].filter(items[Columns.ITEM].is_duplicated())[0]
            raise DataError(f"item_id {twice!r} occurs more than once in items: keep one row an item")
        coded = events.with_columns(pl.col(Columns.USER, Columns.ITEM).cast(pl.String)).join(
            item_codes, on=Columns.ITEM, how="left", maintain_order="left"
        )
        unknown = coded.filter(pl.col("_item").is_null())
        if len(unknown):
            raise DataError(
                f"{len(unknown)} events name items that are not in items, for example item_id "
                f"{unknown[Columns.ITEM][0]!r}: add the item or drop the events (`tailrank validate` lists them)"
            )
        users = coded[Columns.USER].unique(maintain_order=True)
        user_codes = pl.DataFrame({Columns.USER: users}).with_row_index("_user")
        coded = coded.join(user_codes, on=Columns.USER, how="left", maintain_order="left")
        coded = coded.sort("_user", order, maintain_order=True)
        kinds = coded[Columns.EVENT].fill_null("event") if Columns.EVENT in coded.columns else None
        types = ("event",) if kinds is None else tuple(kinds.unique().sort().to_list()) or ("event",)
        codes = (
            np.zeros(len(coded), np.int32)
            if kinds is None
            else np.searchsorted(np.array(types), kinds.to_numpy()).astype(np.int32)
        )
        lengths = np.bincount(coded["_user"].to_numpy(), minlength=len(users))
        histories = Histories(
            items=coded["_item"].to_numpy().astype(np.int32),
            types=codes,
            times=coded[CLOCKS[clock]].to_numpy().astype(np.float64),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )
        return cls(name, items, users, histories, types, clock)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of people with events."""
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
    def counts(self) -> Offsets:
        """Interactions of each item, shape (items,)."""
        return np.bincount(self.histories.items, minlength=self.n_items)

    def codes(self, ids: Iterable[str]) -> Codes:
        """Look up item codes.

        Raises
        ------
        RequestError
            Where an id is not in the catalogue.
        """
        try:
            return np.array([self.item_index[name] for name in ids], dtype=np.int32)
        except KeyError as unknown:
            raise RequestError(f"item_id {unknown} is not in the catalogue of {self.name}") from None

    def until(self, ends: Offsets) -> Dataset:
        """Forget each user's events from position `ends[user]` of the flat arrays on; shape (users,)."""
        return replace(self, histories=self.histories.cut(self.histories.offsets[:-1], ends))


def _clock(events: pl.DataFrame) -> tuple[Clock, str]:
    """Choose the meaning of time and the column that orders a user's events."""
    columns = events.columns
    if Columns.TIMESTAMP in columns:
        return "timestamp", Columns.TIMESTAMP
    if Columns.POSITION not in columns:
        raise DataError(f"events have neither {Columns.TIMESTAMP!r} nor {Columns.POSITION!r}: add one of them")
    return ("elapsed" if Columns.ELAPSED in columns else "position"), Columns.POSITION
