"""The log of impressions as tables: what is rolled over, with what isn't yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.feedback.explored_records import EnsembleRecord
from tailrank.feedback.impressions import Impression
from tailrank.feedback.records import (
    Compared,
    ErasedRecord,
    EventRecord,
    LogError,
    Record,
    ShownRecord,
    all_segments,
    read_records,
    user_digest,
)
from tailrank.ranking.explored import Ensemble

HOURS: Final = "hours"
ERASED: Final = "erased.json"
"""Below the folder of the log: what is rolled over, and who is erased."""

SHOWN_SCHEMA: Final = pl.Schema(
    {
        "ranking_id": pl.String(),
        "user_id": pl.String(),
        "time": pl.Float64(),
        "model": pl.String(),
        "item_ids": pl.List(pl.String),
        "previous_ranks": pl.List(pl.Int32),
        "scores": pl.List(pl.Float64),
        "signals": pl.List(pl.Float32),
        "signal_names": pl.List(pl.String),
        "count_levels": pl.List(pl.Int32),
        "history_bucket": pl.Int32(),
        "propensities": pl.List(pl.Float64),
        "policy": pl.List(pl.String),
        "upstream": pl.List(pl.Float64),
        "degraded": pl.String(),
        "compared": pl.List(pl.String),
        "variant": pl.String(),
        "teams": pl.List(pl.Int8),
        "tail_share": pl.Float64(),
    }
)
"""A row is an impression; `signals` are those of the first item, then of the second, and so on."""

EVENT_SCHEMA: Final = pl.Schema(
    {
        "event_id": pl.String,
        "user_id": pl.String,
        "item_id": pl.String,
        "event": pl.String,
        "timestamp": pl.Float64,
        "ranking_id": pl.String,
        "value": pl.Float64,
    }
)

SAME_EVENT: Final = ("user_id", "item_id", "event_id")
"""Events that agree in these are one event, which was sent again."""

_ARRAYS: Final = {
    "previous_ranks": np.int64,
    "scores": np.float64,
    "signals": np.float32,
    "count_levels": np.int32,
    "propensities": np.float64,
    "upstream": np.float64,
}
"""The columns of numbers, as `Impression` has them."""

_BYTES: Final = {"signals": "<f4", "count_levels": "<i4"}
_MISSING: Final = {"scores": np.nan, "propensities": 1.0, "upstream": np.nan}
"""What stands in records for numbers that are bytes, or aren't there."""


class LogTables(NamedTuple):
    """What was shown, by `SHOWN_SCHEMA`, and what happened, by `EVENT_SCHEMA`; each once."""

    shown: pl.LazyFrame
    events: pl.LazyFrame


def tables(records: Sequence[Record]) -> LogTables:
    """Make tables of records, with the chances of lists that were explored."""
    ensembles = {each.name: each.ensemble for each in records if isinstance(each, EnsembleRecord)}
    shown = [_with_chances(each, ensembles) for each in records if isinstance(each, ShownRecord)]
    events = [record for record in records if isinstance(record, EventRecord)]
    return LogTables(_table(shown, SHOWN_SCHEMA).lazy(), _table(events, EVENT_SCHEMA).lazy())


def _with_chances(shown: ShownRecord, ensembles: Mapping[str, Ensemble]) -> ShownRecord:
    if shown.explored is None:
        return shown
    ensemble, ranks = ensembles[shown.explored.ensemble], len(shown.item_ids)
    chances = shown.explored.chances(ensemble, shown.history_bucket, ranks)
    return msgspec.structs.replace(shown, propensities=chances.tolist())


def _table(records: Sequence[ShownRecord | EventRecord], schema: pl.Schema) -> pl.DataFrame:
    columns = {name: [getattr(record, name) for record in records] for name in schema}
    for name, dtype in _BYTES.items():
        if name in columns:
            columns[name] = [np.frombuffer(data, dtype) for data in columns[name]]
    for name, missing in _MISSING.items():
        if name in columns:
            lengths = map(len, columns["item_ids"])
            given = zip(columns[name], lengths, strict=True)
            columns[name] = [[missing] * n if numbers is None else numbers for numbers, n in given]
    return pl.DataFrame(columns, schema)


def erased_users(folder: Path, records: Iterable[Record] = ()) -> dict[str, float]:
    """Give until when each user's records are erased, by the user's digest."""
    file = folder / ERASED
    try:
        erased: dict[str, float] = json.loads(file.read_bytes()) if file.exists() else {}
    except ValueError as why:
        raise LogError(f"{file}: can't be read ({why}): restore it; it says who is erased") from None
    for record in records:
        if isinstance(record, ErasedRecord):
            erased[record.user_digest] = max(record.time, erased.get(record.user_digest, 0.0))
    return erased


def without_erased(table: pl.LazyFrame, erased: Mapping[str, float]) -> pl.LazyFrame:
    """Leave out the rows of erased users, of `time` or `timestamp` up to when they were erased."""
    if not erased:
        return table
    users = table.select(pl.col("user_id").unique()).collect()["user_id"]
    until = {name: time for name in users if (time := erased.get(user_digest(name))) is not None}
    when = pl.col("time" if "time" in table.collect_schema() else "timestamp")
    gone = pl.col("user_id").replace_strict(until, default=None, return_dtype=pl.Float64)
    return table.filter((when > gone).fill_null(True)) if until else table


def rolled_files(folder: Path, name: str = "*") -> list[Path]:
    """List the files that segments were rolled over to, the earliest first, of one table or of both."""
    return sorted(folder.glob(f"{HOURS}/*/[0-9]*.{name}.parquet"))


def read_log(folder: Path, user_id: str | None = None) -> LogTables:
    """Read a log, which servers may write to meanwhile.

    Parameters
    ----------
    folder
        Of the log.
    user_id
        Read only what is logged of this user; None reads all.

    Raises
    ------
    LogError
        If there is none.
    """
    segments = all_segments(folder)
    # In this order, what is rolled over meanwhile is read twice, and never not at all.
    recent = [record for record in read_records(segments) if _is_of(record, user_id)]
    erased = erased_users(folder, recent)
    rolled = {name: rolled_files(folder, name) for name in LogTables._fields}
    if not segments and not any(rolled.values()):
        raise LogError(f"{folder}: nothing is logged there: give the folder of `serve --log-impressions`")
    found = []
    for name, table in tables(recent)._asdict().items():
        files, schema = rolled[name], table.collect_schema()
        # Files of an earlier version lack the latest columns, those of a later one have more.
        scan = partial(pl.scan_parquet, schema=schema, missing_columns="insert", extra_columns="ignore")
        whole = pl.concat([scan(files), table]) if files else table
        if user_id is not None:
            whole = whole.filter(pl.col("user_id") == user_id)
        key = ["ranking_id"] if name == "shown" else SAME_EVENT
        found.append(without_erased(whole, erased).unique(key, keep="first", maintain_order=True))
    return LogTables(*found)


def _is_of(record: Record, user_id: str | None) -> bool:
    if user_id is None or isinstance(record, ErasedRecord | EnsembleRecord):
        return True
    return record.user_id == user_id


def impressions(shown: pl.DataFrame) -> Iterator[Impression]:
    """Give the impressions that a table holds, by its rows."""
    arrays = zip(*(_arrays(shown[name], dtype) for name, dtype in _ARRAYS.items()), strict=True)
    others = shown.drop(*_ARRAYS, *Compared._fields, strict=False).iter_rows(named=True)
    for row, numbers in zip(others, arrays, strict=True):
        found = dict(zip(_ARRAYS, numbers, strict=True))
        names, policy = tuple(row.pop("signal_names")), tuple(row.pop("policy"))
        found["signals"] = found["signals"].reshape(len(row["item_ids"]), len(names))
        if np.isnan(found["upstream"]).all():
            del found["upstream"]
        yield Impression(**row, **found, signal_names=names, policy=policy)


def _arrays(column: pl.Series, dtype: npt.DTypeLike) -> Iterator[npt.NDArray[Any]]:
    lengths = column.list.len()
    flat = column.filter(lengths > 0).explode().to_numpy().astype(dtype, copy=False)
    ends = lengths.cum_sum().to_list()
    return (flat[start:end] for start, end in pairwise([0, *ends]))
