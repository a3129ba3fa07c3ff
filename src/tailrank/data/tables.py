"""What a `Dataset` makes of its tables: checked, with relations as columns, and event types named."""

from __future__ import annotations

import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.frames import Frame, to_polars
from tailrank.data.schema import TableSchema, parse_table, raise_failures


def checked(raw: Frame, schema: TableSchema) -> pl.DataFrame:
    """Read a table by its schema.

    Raises
    ------
    DataError
        If a check fails.
    """
    frame, checks = parse_table(to_polars(raw, schema.name), schema)
    raise_failures(checks, schema.name)
    return frame


def with_relations(items: pl.DataFrame, triples: pl.DataFrame) -> pl.DataFrame:
    """Add a column for each relation between items: a list of the ids that each item is the head of.

    A column that is there already stays.
    """
    known = items[Columns.ITEM].implode()
    between = triples.filter(pl.all_horizontal(pl.col(Columns.HEAD, Columns.TAIL).is_in(known))).unique(
        maintain_order=True
    )
    for (relation,), found in between.group_by(Columns.RELATION, maintain_order=True):
        if relation not in items.columns:
            lists = found.group_by(Columns.HEAD).agg(pl.col(Columns.TAIL).alias(str(relation)))
            items = items.join(
                lists, left_on=Columns.ITEM, right_on=Columns.HEAD, how="left", maintain_order="left"
            )
    return items


def event_types(events: pl.DataFrame) -> tuple[pl.Series, pl.Expr]:
    """Name the types of events in the order of their codes, and the type of each; "event" if none has one."""
    if Columns.EVENT in events.columns:
        event_type = pl.col(Columns.EVENT).replace("", None)
        types = events.select(event_type.drop_nulls().unique().sort()).to_series()
        if len(types):
            return types, event_type
    return pl.Series(["event"]), pl.lit("event")
