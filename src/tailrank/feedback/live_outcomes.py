"""Outcomes of two models that a server compared, from its log of impressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import polars as pl

from tailrank.arrays import Doubles
from tailrank.data.columns import Columns
from tailrank.errors import DataError, instead_of
from tailrank.feedback.attribution import DISLIKES, MINUTES, attributed
from tailrank.feedback.experiment_log import user_codes
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes
from tailrank.feedback.interleaving import A, B
from tailrank.feedback.log_tables import LogTables, read_log
from tailrank.feedback.outcomes import Outcomes
from tailrank.feedback.records import CHALLENGER, INTERLEAVED
from tailrank.feedback.split_outcomes import SplitOutcomes

CLICKS: Final = "clicks"
"""The metric that counts items with any event but those of `DISLIKES`."""

DISLIKED: Final = "dislikes"
"""The metric that counts items with an event of `DISLIKES`."""

TAIL: Final = "tail_share"
"""The metric that is the share of the tail in the first ten; any other one is the type of an event."""

EVEN: Final = (1.0, 1.0)
Compare: TypeAlias = Literal["interleave", "split"]
HOW: Final = pl.when(pl.col("variant") == INTERLEAVED).then(pl.lit("interleave")).otherwise(pl.lit("split"))
ITEM: Final = ["ranking_id", "item_id"]
SPEAKS_FOR_B: Final = pl.col("teams").list.eval((pl.element() == B).cast(pl.Int8) - (pl.element() == A))


@dataclass(frozen=True)
class Comparison:
    """Two models that were compared in one way.

    Attributes
    ----------
    control, challenger
        Their names.
    compare
        Whether lists were made of both, or users were split.
    rankings
        How many there are of it.
    since, until
        When the first and the latest of these were made, in seconds since 1970.
    """

    control: str
    challenger: str
    compare: Compare
    rankings: int
    since: float
    until: float


def comparisons(log: LogTables) -> list[Comparison]:
    """List what was compared, the latest first."""
    pair, when = pl.col("compared").list, pl.col("time")
    found = (
        _compared(log.shown)
        .group_by(control=pair.get(0), challenger=pair.get(1), compare=HOW)
        .agg(rankings=pl.len(), since=when.min(), until=when.max())
        .sort("until", descending=True)
        .collect()
    )
    return [Comparison(**row) for row in found.iter_rows(named=True)]


def read_comparison(
    folder: Path, metric: str, guardrails: Sequence[str] = (), variants: Mapping[str, float] | None = None
) -> tuple[Comparison, Outcomes]:
    """Read what a server that compares two models has logged.

    Parameters
    ----------
    folder
        Of the log.
    metric, guardrails
        As in `live_outcomes`.
    variants
        The names of the two models, the control's first, with planned shares of the users; by default those
        that were compared last.

    Raises
    ------
    DataError
        If these weren't compared, or there is no such metric.
    LogError
        If nothing is logged there.
    """
    log = read_log(folder)
    known = comparisons(log)
    pairs = {f"{each.control},{each.challenger}": each for each in reversed(known)}
    if not known:
        raise DataError(f"{folder}: no two models were compared: start the server with --challenger MODEL")
    wanted = ",".join(variants or (known[0].control, known[0].challenger))
    if wanted not in pairs:
        raise DataError(f"{folder}: {wanted} weren't compared: give --variants {' or '.join(pairs)}")
    control, challenger = EVEN if variants is None else variants.values()
    try:
        found = live_outcomes(log, pairs[wanted], [metric, *guardrails], (control, challenger))
        return pairs[wanted], found
    except DataError as why:
        raise DataError(f"{folder}: {why}") from None


def live_outcomes(
    log: LogTables,
    which: Comparison,
    metrics: Sequence[str] = (CLICKS,),
    weights: tuple[float, float] = EVEN,
    minutes: float = MINUTES,
) -> Outcomes:
    """Join the rankings of a comparison with the events that belong to them.

    Parameters
    ----------
    log
        See `read_log`.
    which
        One of `comparisons`.
    metrics
        `CLICKS`, `DISLIKED` or the type of an event, each a number of items of a ranking; or `TAIL`.
        Interleaved rankings have outcomes by one of the former only.
    weights
        Planned shares of the users, the control's first.
    minutes
        As in `attributed`.

    Raises
    ------
    DataError
        If there is no such metric, or there are several of interleaved rankings.
    """
    of_one = [name for at, name in enumerate(metrics) if at or name == TAIL]
    if which.compare == "interleave" and of_one:
        raise DataError(
            f"rankings are interleaved, so users see both sides: {of_one[0]} needs `serve --compare split`"
        )
    rankings = _rankings(log, which)
    shown = rankings.select("ranking_id", Columns.USER, "time", "variant", TAIL).collect()
    happened = _happened(rankings, which, attributed(log, minutes).collect().lazy()).collect()
    events = log.events.select(pl.col("event").unique()).collect()["event"].sort().to_list()
    values = {
        name: _tail_shares(shown) if name == TAIL else _values(shown, happened, _counted(name, events))
        for name in metrics
    }
    users, times = user_codes(shown[Columns.USER]), shown["time"].to_numpy()
    names = which.control, which.challenger
    if which.compare == "interleave":
        return InterleavedOutcomes(users, times, values[metrics[0]], names)
    treated = (shown["variant"] == CHALLENGER).to_numpy()
    return SplitOutcomes(users, treated, times, values, names, weights)


def _compared(shown: pl.LazyFrame) -> pl.LazyFrame:
    return shown.filter(pl.col("variant") != "")


def _rankings(log: LogTables, which: Comparison) -> pl.LazyFrame:
    pair = pl.col("compared").list
    chosen = (pair.get(0) == which.control) & (pair.get(1) == which.challenger) & HOW.eq(which.compare)
    return _compared(log.shown).filter(chosen)


def _happened(rankings: pl.LazyFrame, which: Comparison, events: pl.LazyFrame) -> pl.LazyFrame:
    """Give the events of rankings, with what a click on that item counts."""
    counts = pl.lit(1, pl.Int8).repeat_by(pl.col("item_ids").list.len())
    if which.compare == "interleave":
        counts = SPEAKS_FOR_B
    lists = rankings.join(events, on="ranking_id", how="semi")
    items = lists.select("ranking_id", item_id="item_ids", counts=counts).explode("item_id", "counts")
    return items.join(events.select(*ITEM, "event"), on=ITEM)


def _counted(metric: str, events: Sequence[str]) -> pl.Expr:
    """Choose the events that a metric counts."""
    disliked = pl.col("event").is_in(DISLIKES)
    known = {name: pl.col("event") == name for name in events} | {CLICKS: ~disliked, DISLIKED: disliked}
    if metric not in known:
        names = {name: name for name in (*known, TAIL)}
        raise DataError(f"no metric {metric!r}: {instead_of(metric, names)}")
    return known[metric]


def _tail_shares(shown: pl.DataFrame) -> Doubles:
    return shown[TAIL].fill_null(float("nan")).to_numpy()


def _values(shown: pl.DataFrame, happened: pl.DataFrame, counted: pl.Expr) -> Doubles:
    """Add up what the items count that had such an event, shape (rankings,)."""
    items = happened.filter(counted).unique(ITEM)
    sums = items.group_by("ranking_id").agg(pl.col("counts").sum())
    found = shown.select("ranking_id").join(sums, on="ranking_id", how="left", maintain_order="left")
    return found["counts"].fill_null(0).cast(pl.Float64).to_numpy()
