"""Metarank's events as a data folder: items, interactions as events, rankings as impressions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.imports.metarank_schema import (
    DECODER,
    IMPRESSION,
    InteractionEvent,
    ItemEvent,
    RankingEvent,
)
from tailrank.data.imports.records import read_records
from tailrank.data.imports.tables import TIME, Imported, ItemsBuilder, Schema, TableBuilder, without_empty
from tailrank.errors import DataError
from tailrank.reporting import Progress, silent

SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
NAMES: Final = tuple(suffix + packed for suffix in SUFFIXES for packed in ("", ".gz", ".gzip"))

_ID: Final = "event_id"
_INTERACTIONS: Final[Schema] = {
    _ID: pl.String,
    Columns.USER: pl.String,
    Columns.ITEM: pl.String,
    Columns.EVENT: pl.String,
    Columns.TIMESTAMP: TIME,
    Columns.RANKING: pl.String,
}
_RANKINGS: Final[Schema] = {
    Columns.RANKING: pl.String,
    Columns.USER: pl.String,
    Columns.TIMESTAMP: TIME,
    Columns.ITEM: pl.List(pl.String),
    Columns.SCORE: pl.List(pl.Float64),
}


def read(source: Path, progress: Progress = silent) -> Imported:
    """Read a file of Metarank's events, or all such files of a folder in the order of their names.

    Raises
    ------
    DataError
        If there is no such file, or a record isn't an event of Metarank's.
    """
    items, done, shown = ItemsBuilder(), TableBuilder(_INTERACTIONS), TableBuilder(_RANKINGS)
    left_out: Counter[str] = Counter()
    for event in read_records(export_files(source), DECODER, progress):
        time = event.timestamp.microseconds
        match event:
            case ItemEvent():
                items.put(event.item, event.values, event.timestamp)
            case InteractionEvent():
                done.append(event.id, event.user_id, event.item, event.type, time, event.ranking)
            case RankingEvent():
                ids, scores = [item.id for item in event.items], [item.score for item in event.items]
                shown.append(event.id, event.user_id, time, ids, scores)
            case _:
                left_out["records of users"] += 1
    rankings = _rankings(shown.frame(), left_out)
    interactions = _interactions(done.frame(), rankings, left_out)
    events = interactions.select(Columns.USER, Columns.ITEM, Columns.EVENT, Columns.TIMESTAMP)
    return Imported.from_tables(items.frame(), events, _impressions(rankings, interactions), left_out)


def export_files(source: Path) -> list[Path]:
    """Find the files of an export.

    Raises
    ------
    DataError
        If there are none, or some are packed in another way than with gzip.
    """
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.is_file())
    packed = [path for path in found if path.suffix == ".zst"]
    if packed:
        raise DataError(f"{packed[0]}: only gzip can be unpacked here. Unpack it first: zstd -d --rm FILE.")
    kept = [path for path in found if path.name.endswith(NAMES)]
    if not kept:
        raise DataError(
            f"{source}: no events. Give a file, or a folder with files named {', '.join(SUFFIXES)} (or .gz)."
        )
    return kept


def _rankings(shown: pl.DataFrame, left_out: Counter[str]) -> pl.DataFrame:
    """Keep each ranking once, without those of no user, in the order of time."""
    once = shown.unique(Columns.RANKING, keep="first", maintain_order=True)
    known = once.filter(pl.col(Columns.USER).is_not_null(), pl.col(Columns.ITEM).list.len() > 0)
    left_out["repeated rankings"] = len(shown) - len(once)
    left_out["rankings without user, session or items"] = len(once) - len(known)
    return known.sort(Columns.TIMESTAMP, maintain_order=True)


def _interactions(done: pl.DataFrame, rankings: pl.DataFrame, left_out: Counter[str]) -> pl.DataFrame:
    """Keep each interaction once, without those of no user; the ranking may name the user.

    What is the same interaction is as in `State.append`: that of its id, user and item.
    """
    viewer = rankings.select(Columns.RANKING, viewer=Columns.USER)
    named = done.join(viewer, on=Columns.RANKING, how="left", maintain_order="left")
    named = named.with_columns(pl.coalesce(Columns.USER, "viewer").alias(Columns.USER))
    acted = named.filter(pl.col(Columns.EVENT) != IMPRESSION)
    known = acted.filter(pl.col(Columns.USER).is_not_null())
    once = known.unique([_ID, Columns.USER, Columns.ITEM], keep="first", maintain_order=True)
    left_out[f"interactions of type {IMPRESSION}"] = len(done) - len(acted)
    left_out["interactions without user or session"] = len(acted) - len(known)
    left_out["repeated interactions"] = len(known) - len(once)
    return once


def _impressions(rankings: pl.DataFrame, interactions: pl.DataFrame) -> pl.DataFrame | None:
    """Make one row for each position of each ranking; clicked if an interaction names both."""
    if not len(rankings):
        return None
    clicks = interactions.select(Columns.RANKING, Columns.ITEM, pl.lit(True).alias(Columns.CLICKED)).unique()
    rows = (
        rankings.with_columns(pl.int_ranges(1, pl.col(Columns.ITEM).list.len() + 1).alias(Columns.POSITION))
        .explode(Columns.ITEM, Columns.SCORE, Columns.POSITION)
        .join(clicks, on=[Columns.RANKING, Columns.ITEM], how="left", maintain_order="left")
        .with_columns(pl.col(Columns.CLICKED).fill_null(False))
    )
    return without_empty(rows, Columns.SCORE)
