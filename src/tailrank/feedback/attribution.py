"""Which events belong to which impression: clicks, dislikes, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Doubles
from tailrank.feedback.impressions import Impression
from tailrank.feedback.log_tables import LogTables, impressions

DISLIKES: Final = frozenset({"dislike", "hide", "not_interested", "report", "skip"})
"""Types of events that say that an item wasn't wanted: these are no clicks."""

MINUTES: Final = 30.0
"""How long after an impression an event that names none still belongs to it, by default."""

UPSTREAM: Final = "upstream"
"""The column of the scores that came with the request, in `impressions_table`."""

AT_ONCE: Final = 5_000
"""Impressions that `outcomes` holds in memory."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a user did with a list.

    Attributes
    ----------
    impression
        The list.
    clicked
        Items with an event that says that the item was wanted, whatever its type; shape (items,).
    times
        By the type of an event, when each item had its first one, in seconds since 1970; NaN if it had none;
        shape (items,).
    """

    impression: Impression
    clicked: Bools
    times: Mapping[str, Doubles]

    @property
    def disliked(self) -> Bools:
        """Items with an event of `DISLIKES`, shape (items,)."""
        return self._had(DISLIKES)

    @property
    def skipped(self) -> Bools:
        """Items that were passed over, shape (items,): without any event, above one that was clicked.

        Who clicked an item has looked at those above it ("skip above"; Joachims et al., 2005).
        """
        below = np.flatnonzero(self.clicked)
        above = np.arange(len(self.clicked)) < (below[-1] if len(below) else 0)
        skipped: Bools = above & ~self._had(self.times)
        return skipped

    def _had(self, types: Iterable[str]) -> Bools:
        had = np.zeros(len(self.clicked), np.bool_)
        for name in types:
            if name in self.times:
                had |= ~np.isnan(self.times[name])
        return had


def attributed(log: LogTables, minutes: float = MINUTES) -> pl.LazyFrame:
    """Find the impression that each event belongs to.

    An event that names a `ranking_id` belongs to that ranking, whenever it happened, if the item was shown
    there, to this user or to nobody in particular. Any other belongs to the latest ranking that showed the
    item to its user, if it happened within the window after it.

    Parameters
    ----------
    log
        See `read_log`.
    minutes
        Length of the window.

    Returns
    -------
    pl.LazyFrame
        A row for each event that belongs to an impression: `ranking_id`, `item_id`, `event`, `timestamp`.
    """
    lists = log.shown.select("ranking_id", "user_id", "time", item_id="item_ids")
    names, found = pl.col("ranking_id").is_not_null(), ["ranking_id", "item_id", "event", "timestamp"]
    theirs = (pl.col("user_id_right") == pl.col("user_id")) | (pl.col("user_id_right") == "")
    naming, others = log.events.filter(names), log.events.filter(~names).drop("ranking_id")
    # Most lists have no event: they would take most of the memory.
    shown = _items(lists.join(naming, on="ranking_id", how="semi"))
    named = naming.join(shown, on=["ranking_id", "item_id"]).filter(theirs)
    seen = _items(lists.join(others, on="user_id", how="semi"))
    follow = others.sort("timestamp").join_asof(
        seen.join(others, on=["user_id", "item_id"], how="semi").sort("time"),
        left_on="timestamp",
        right_on="time",
        by=["user_id", "item_id"],
        tolerance=60 * minutes,
        check_sortedness=False,
    )
    return pl.concat([named.select(found), follow.filter(names).select(found)])


def impressions_table(log: LogTables, minutes: float = MINUTES) -> pl.DataFrame:
    """Join a log into the impressions of a data folder (docs/data.md): a row an item, list by list.

    `score` is what the list was sorted by, `upstream` what came with the request. Lists that were shown to
    nobody in particular are left out. `minutes` is as in `attributed`.
    """
    key = ["ranking_id", "item_id"]
    wanted = ~pl.col("event").is_in(DISLIKES)
    clicks = attributed(log, minutes).filter(wanted).select(key).unique().with_columns(clicked=True)
    shown = log.shown.filter(pl.col("user_id") != "").sort("time", maintain_order=True)
    columns = {"item_id": "item_ids", "score": "scores", UPSTREAM: "upstream", "propensity": "propensities"}
    position = pl.int_ranges(1, pl.col("item_ids").list.len() + 1)
    rows = _items(shown.select("ranking_id", "user_id", timestamp="time", position=position, **columns))
    joined = rows.join(clicks, on=key, how="left", maintain_order="left")
    clicked, scores = pl.col("clicked").fill_null(False), pl.col("score", UPSTREAM).fill_nan(None)
    return joined.with_columns(clicked, scores).collect()


def outcomes(log: LogTables, minutes: float = MINUTES) -> Iterator[Outcome]:
    """Give each impression with what became of it, the earliest first; `minutes` is as in `attributed`."""
    events = attributed(log, minutes).group_by("ranking_id").agg("item_id", "event", "timestamp").collect()
    for part in log.shown.sort("time").collect().iter_slices(AT_ONCE):
        found = part.select("ranking_id").join(events, on="ranking_id", how="left", maintain_order="left")
        for shown, happened in zip(impressions(part), found.drop("ranking_id").iter_rows(), strict=True):
            yield _outcome(shown, *(column or () for column in happened))


def _outcome(
    shown: Impression, items: Sequence[str], types: Sequence[str], times: Sequence[float]
) -> Outcome:
    places = {item: at for at, item in enumerate(shown.item_ids)}
    clicked, first = np.zeros(len(shown), np.bool_), dict[str, Doubles]()
    for item, name, time in zip(items, types, times, strict=True):
        at = places[item]
        clicked[at] |= name not in DISLIKES
        column = first.setdefault(name, np.full(len(shown), np.nan))
        column[at] = np.fmin(column[at], time)
    return Outcome(shown, clicked, first)


def _items(shown: pl.LazyFrame) -> pl.LazyFrame:
    """Give a row to each item: what is listed of it, and what all of them share."""
    schema = shown.collect_schema()
    return shown.explode([name for name in schema if isinstance(schema[name], pl.List)])
