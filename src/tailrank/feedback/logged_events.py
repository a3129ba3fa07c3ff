"""Events that a server logged, beside those of a data folder."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.dataset import sort_events
from tailrank.data.values import to_ids
from tailrank.errors import DataError
from tailrank.feedback.attribution import DISLIKES
from tailrank.feedback.log_tables import LogTables

_ID: Final = "event_id"
_SECOND: Final = "second"


class Merged(NamedTuple):
    """Events of a data folder and of a log.

    Attributes
    ----------
    events
        Of both, as `Dataset.construct` takes them; the columns that the folder has.
    added
        How many of them the folder lacks.
    unknown
        How many of the log were left out, because the folder lacks their items.
    """

    events: pl.DataFrame
    added: int
    unknown: int


def with_logged(events: pl.DataFrame, items: pl.DataFrame, log: LogTables) -> Merged:
    """Add the events of a log to those of a data folder, each once.

    An event of the log is one of the folder if they agree in user, item and `event_id` or, if the folder has
    no such column, in user, item, second and, if it has types, type. Dislikes are left out: nobody is to be
    shown more of these.

    Parameters
    ----------
    events, items
        As `read_tables` returns them, with a `timestamp`.
    log
        See `read_log`.

    Raises
    ------
    DataError
        If an `event_id` is neither text nor a whole number.
    """
    logged = log.events.filter(~pl.col(Columns.EVENT).is_in(DISLIKES)).collect()
    known = logged.join(items, on=Columns.ITEM, how="semi", maintain_order="left")
    kinds = {Columns.EVENT} & {*events.columns}
    key = [Columns.USER, Columns.ITEM, *([_ID] if _ID in events.columns else [_SECOND, *kinds])]
    new = _keyed(known).join(_keyed(events), on=key, how="anti", maintain_order="left")
    taken = [Columns.USER, Columns.ITEM, Columns.TIMESTAMP, *kinds]
    merged = pl.concat([sort_events(events).select(taken), new.select(taken)])
    return Merged(merged, len(new), len(logged) - len(known))


def _keyed(events: pl.DataFrame) -> pl.DataFrame:
    """Add what tells whether two events are the same."""
    if _ID in events.columns:
        ids = to_ids(events[_ID])
        if ids is None:
            raise DataError(f"events: {_ID} is {events[_ID].dtype} instead of text or whole numbers")
        events = events.with_columns(ids.alias(_ID))
    return events.with_columns(pl.col(Columns.TIMESTAMP).floor().alias(_SECOND))
