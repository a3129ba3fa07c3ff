"""Tables of a data folder, from Parquet, CSV or JSON Lines."""

from pathlib import Path

import polars as pl


def read_items(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "items.parquet")


def read_events(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "events.parquet")
