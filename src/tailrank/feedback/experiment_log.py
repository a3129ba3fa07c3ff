"""Read the log of an experiment: a row a ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from tailrank.arrays import Codes, Doubles
from tailrank.data.columns import Columns
from tailrank.data.readers import SUFFIXES, read_table
from tailrank.data.schema import (
    BOOLEAN,
    ID,
    OPTIONAL_NUMBER,
    TIME,
    ColumnType,
    TableSchema,
    parse_table,
    raise_failures,
)
from tailrank.errors import DataError, instead_of
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes
from tailrank.feedback.outcomes import Outcomes
from tailrank.feedback.split_outcomes import SplitOutcomes

VARIANT: Final = "variant"
CONTROL: Final = "control"
SIDES: Final = ("a", "b")
"""What the columns of an interleaved metric end with: `clicks_a` and `clicks_b`."""

LARGEST: Final = 1e15
"""What no value of a metric exceeds: squares of squares of larger ones aren't numbers any more."""

_DOCS: Final = "(docs/experiments.md)"


def _to_values(column: pl.Series) -> pl.Series | None:
    """Read numbers or, of a column that has nothing else, true and false as 1 and 0."""
    flags = BOOLEAN.parse(column)
    if flags is not None and flags.null_count() == column.null_count():
        return flags.cast(pl.Float64)
    numbers = OPTIONAL_NUMBER.parse(column)
    return None if numbers is None else numbers.set(numbers.abs() > LARGEST, None)


METRIC: Final = ColumnType(
    f"numbers within ±{LARGEST:g}, true or false, or nothing", _to_values, optional=True
)


def read_experiment(
    file: Path,
    metric: str,
    guardrails: Sequence[str] = (),
    variants: Mapping[str, float] | None = None,
) -> Outcomes:
    """Read rankings of users who were split over two variants, or rankings that were interleaved.

    Parameters
    ----------
    file
        Parquet, CSV or JSON Lines with a row a ranking: `user_id`, `timestamp`, and either `variant` and
        columns of metrics or, if two were interleaved, what each has of the metric: `clicks_a`, `clicks_b`.
    metric, guardrails
        Names of metrics; interleaved rankings have no guardrails.
    variants
        Planned shares of the users, the control's first; by default even, with a control of that name.

    Raises
    ------
    DataError
        If the file is missing, breaks this contract, or hasn't got these metrics and variants.
    """
    if not file.is_file():
        raise DataError(f"{file}: there is no such file. Give a log {_DOCS}.")
    if not file.name.endswith(SUFFIXES):
        raise DataError(f"{file}: doesn't end in one of {', '.join(SUFFIXES)}. Give a log {_DOCS}.")
    pair = [f"{metric}_{side}" for side in SIDES]
    raw = read_table(file, _schema([VARIANT], [metric, *guardrails, *pair]))
    if VARIANT not in raw.columns and any(name.endswith(f"_{SIDES[0]}") for name in raw.columns):
        return _interleaved(file, raw, pair, [*guardrails, *(variants or ())])
    return _split(file, raw, [metric, *guardrails], variants)


def _split(
    file: Path, raw: pl.DataFrame, metrics: Sequence[str], variants: Mapping[str, float] | None
) -> SplitOutcomes:
    table = _parsed(file, raw, [VARIANT], metrics)
    shares = _shares(file, table[VARIANT].unique().sort().to_list(), variants)
    control, treatment = shares
    return SplitOutcomes(
        user_codes(table[Columns.USER]),
        (table[VARIANT] == treatment).to_numpy(),
        table[Columns.TIMESTAMP].to_numpy(),
        {name: _values(table[name]) for name in metrics},
        (control, treatment),
        (shares[control], shares[treatment]),
    )


def _interleaved(
    file: Path, raw: pl.DataFrame, pair: Sequence[str], needing_variants: Sequence[str]
) -> InterleavedOutcomes:
    if needing_variants:
        raise DataError(
            f"{file}: its rankings are interleaved, so users see both sides: {needing_variants[0]} needs a "
            f"log with a {VARIANT} for each user {_DOCS}."
        )
    table = _parsed(file, raw, [], pair)
    a, b = (_values(table[name]) for name in pair)
    return InterleavedOutcomes(user_codes(table[Columns.USER]), table[Columns.TIMESTAMP].to_numpy(), b - a)


def _schema(ids: Sequence[str], metrics: Sequence[str]) -> TableSchema:
    keys = {Columns.USER: ID, Columns.TIMESTAMP: TIME} | dict.fromkeys(ids, ID)
    required = tuple((name,) for name in keys)
    return TableSchema("experiment", keys | dict.fromkeys(metrics, METRIC), required)


def _parsed(file: Path, raw: pl.DataFrame, ids: Sequence[str], metrics: Sequence[str]) -> pl.DataFrame:
    """Check a table and the metrics asked for."""
    table, checks = parse_table(raw, _schema(ids, metrics))
    raise_failures(checks[:1], str(file))
    others = {name: name for name in raw.columns if name not in (Columns.USER, Columns.TIMESTAMP, *ids)}
    for name in metrics:
        if name not in others:
            raise DataError(f"{file}: no metric {name!r}: {instead_of(name, others)}")
    raise_failures(checks[1:], str(file))
    return table


def _shares(file: Path, found: Sequence[str], variants: Mapping[str, float] | None) -> Mapping[str, float]:
    """Give the planned share of each variant, the control first."""
    planned = variants
    if planned is None:
        planned = dict.fromkeys([CONTROL, *(name for name in found if name != CONTROL)], 1.0)
    if len(planned) != 2 or set(found) != set(planned):
        lacking = [name for name in planned if name not in found] if variants else []
        no_rows = f", none is {' or '.join(lacking)}" if lacking else ""
        raise DataError(
            f"{file}: its variants are {', '.join(found)}{no_rows}. Two are compared: name them, the control "
            "first, as in --variants old,new, and leave out the rows of others."
        )
    return planned


def user_codes(ids: pl.Series) -> Codes:
    """Give each user a number, shape (rankings,)."""
    return ids.rank("dense").cast(pl.Int32).to_numpy() - 1


def _values(column: pl.Series) -> Doubles:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
