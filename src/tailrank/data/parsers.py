"""Public data sets in their publishers' own formats, turned into items and events.

Each function gets the paths of the original files by name. Parsing follows the README of the set.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from tailrank.data.markup import plain_text

Files = Mapping[str, Path]

GENRES_100K: Final = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|"
    "Film-Noir|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)

_read_text = partial(pl.read_csv, infer_schema=False)
"""Reads every column as text; the schema of items and events decides what they are."""


class DatasetTables(NamedTuple):
    """Items and events of one set."""

    items: pl.DataFrame
    events: pl.DataFrame


def movielens_100k(files: Files) -> DatasetTables:
    """Read `u.item` (Latin-1, separated by bars, one flag a genre) and `u.data` (tabs)."""
    text = files["u.item"].read_bytes().decode("latin-1").encode()
    genres = GENRES_100K.split("|")
    names = ["item_id", "title", "released", "video", "imdb", *genres]
    raw = _read_text(text, separator="|", has_header=False, new_columns=names, quote_char=None)
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in genres]
    named = pl.concat_list(flags).list.drop_nulls()
    items = raw.select("item_id", pl.col("title").str.strip_chars(), genres=named)
    columns = ["user_id", "item_id", "value", "timestamp"]
    events = _read_text(files["u.data"], separator="\t", has_header=False, new_columns=columns)
    return DatasetTables(_with_year(items), _with_rating_events(events))


def recbole_100k(files: Files) -> DatasetTables:
    """Read MovieLens-100K from RecBole's atomic files, which hold title and year apart."""
    raw = _read_text(files["ml-100k.item"], separator="\t", quote_char=None)
    # One film has no name and no year ("unkonwn"); another has "V" (video) for its year.
    title, year = pl.col("movie_title:token_seq").replace("unkonwn", "unknown"), pl.col("release_year:token")
    items = raw.select(
        item_id="item_id:token",
        title=pl.when(year == "unkonwn").then(title).otherwise(pl.format("{} ({})", title, year)),
        genres=pl.col("class:token_seq").str.split(" "),
    )
    events = _read_text(files["ml-100k.inter"], separator="\t").select(
        user_id="user_id:token", item_id="item_id:token", value="rating:float", timestamp="timestamp:float"
    )
    return DatasetTables(_with_year(items), _with_rating_events(events))


def movielens_small(files: Files) -> DatasetTables:
    """Read `movies.csv` (genres separated by bars) and `ratings.csv`."""
    items = _read_text(files["movies.csv"]).select(
        item_id="movieId",
        title=pl.col("title").str.strip_chars(),
        genres=pl.col("genres").replace("(no genres listed)", None).str.split("|").fill_null([]),
    )
    events = _read_text(files["ratings.csv"]).select(
        user_id="userId", item_id="movieId", value="rating", timestamp="timestamp"
    )
    return DatasetTables(_with_year(items), _with_rating_events(events))


def complete_journey(files: Files) -> DatasetTables:
    """Read `transactions.parquet` and `products.parquet`.

    Items are the products that were bought at least once, those without a row in `products.parquet`
    included (they have no text). The value of a purchase is what was paid, in dollars; times are
    read as UTC.
    """
    bought = pl.read_parquet(files["transactions.parquet"]).rename(
        {"household_id": "user_id", "product_id": "item_id"}
    )
    events = bought.select(
        pl.col("user_id", "item_id").cast(pl.String),
        timestamp=pl.col("transaction_timestamp").dt.epoch("s"),
        event=pl.lit("purchase"),
        value="sales_value",
    )
    described = ["product_type", "product_category", "brand", "department", "package_size"]
    type_, category, brand, department, size = (pl.col(name).str.to_lowercase() for name in described)
    parts = [
        type_.str.replace(r":\s*", ": "),
        pl.when(category.ne_missing(type_)).then(category),
        pl.format("{} brand", brand),
        department,
        size,
    ]
    title = pl.concat_str(parts, separator=", ", ignore_nulls=True).replace("", None)
    products = pl.read_parquet(files["products.parquet"]).select(
        pl.col("product_id").cast(pl.String).alias("item_id"),
        pl.concat_str(title.str.head(1).str.to_uppercase(), title.str.slice(1)).alias("title"),
        *described,
    )
    items = events.select(pl.col("item_id").unique(maintain_order=True))
    return DatasetTables(items.join(products, on="item_id", how="left", maintain_order="left"), events)


def amazon_2014(files: Files) -> DatasetTables:
    """Read 5-core reviews (JSON Lines) and metadata (one Python dict literal a line) of 2014.

    Every reviewed product is an item, with or without metadata. See `_read_reviews` for the events.
    """
    reviews, meta = sorted(files, key=lambda name: name.startswith("meta_"))
    events = _read_reviews(files[reviews])
    items = _read_products(files[meta], events["item_id"], ast.literal_eval)
    return DatasetTables(items, _with_positions(events))


def amazon_2018(files: Files) -> DatasetTables:
    """Read 5-core reviews and metadata (both JSON Lines) of 2018, filtered as for UniSRec.

    Reviews of products without a title are dropped, then users and items with fewer than five
    reviews until none is left, then a user's later reviews of the same product (Hou et al. 2022,
    "Towards Universal Sequence Representation Learning for Recommender Systems").
    """
    reviews, meta = sorted(files, key=lambda name: name.startswith("meta_"))
    events = _read_reviews(files[reviews]).unique(maintain_order=True)
    items = _read_products(files[meta], events["item_id"], json.loads)
    described = items.filter(pl.col("title").is_not_null())
    events = _k_core(events.join(described, on="item_id", how="semi", maintain_order="left"), 5)
    events = events.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    items = items.join(events, on="item_id", how="semi", maintain_order="left")
    return DatasetTables(items, _with_positions(events))


def _with_year(items: pl.DataFrame) -> pl.DataFrame:
    """Add the year that a title such as "Toy Story (1995)" ends with."""
    year = pl.col("title").str.extract(r"\((\d{4})\)(?: \(V\))?$").cast(pl.Int64)
    return items.select("item_id", "title", year.alias("year"), "genres")


def _with_rating_events(raw: pl.DataFrame) -> pl.DataFrame:
    """Name the event type of each rating: 4 and more is a like, 2 and less a dislike."""
    value = pl.col("value").cast(pl.Float64)
    event = pl.when(value >= 4).then(pl.lit("like")).when(value <= 2).then(pl.lit("dislike"))
    return raw.select(
        "user_id",
        "item_id",
        pl.col("timestamp").cast(pl.Int64),
        event.otherwise(pl.lit("rating")).alias("event"),
        value,
    )


def _read_reviews(path: Path) -> pl.DataFrame:
    """Read reviews in the order of each user's time; on one day (their resolution) by item id."""
    fields = {"reviewerID": pl.String, "asin": pl.String, "unixReviewTime": pl.Int64, "overall": pl.Float64}
    names = dict(zip(fields, ("user_id", "item_id", "timestamp", "value"), strict=True))
    raw = pl.read_ndjson(path, schema=fields).select(*fields)
    return raw.rename(names).sort("user_id", "timestamp", "item_id", maintain_order=True)


def _with_positions(events: pl.DataFrame) -> pl.DataFrame:
    """Add each review's position in its user's history and the seconds since the user's first."""
    time = pl.col("timestamp")
    return events.with_columns(
        position=pl.int_range(pl.len()).over("user_id"), elapsed_seconds=time - time.first().over("user_id")
    )


def _k_core(events: pl.DataFrame, k: int) -> pl.DataFrame:
    """Drop users and items with fewer than `k` events until none is left."""
    while True:
        kept = events.filter((pl.len().over("user_id") >= k) & (pl.len().over("item_id") >= k))
        if len(kept) == len(events):
            return kept
        events = kept


def _read_products(path: Path, item_ids: pl.Series, parse: Callable[[str], dict[str, Any]]) -> pl.DataFrame:
    """Read metadata of some products, in the order of their ids; those without any keep an empty row."""
    ids = item_ids.unique().sort()
    found, wanted = {}, set(ids)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            key = re.search(r"""['"]asin['"]: ?['"](\w+)['"]""", line)
            if key and key[1] in wanted and key[1] not in found:
                found[key[1]] = _product_row(parse(line))
    text = pl.String()
    schema = {"title": text, "brand": text, "categories": pl.List(text), "description": text}
    blank = dict.fromkeys(schema)
    return pl.DataFrame([found.get(key, blank) for key in ids], schema).insert_column(0, ids.alias("item_id"))


def _product_row(raw: dict[str, Any]) -> dict[str, Any]:
    """Extract the text columns from one metadata record, of either edition."""
    paths = raw.get("categories") or [raw.get("category") or []]
    description = raw.get("description") or ""
    return {
        "title": _clean_text(raw.get("title")),
        "brand": _clean_text(raw.get("brand")),
        "categories": list(dict.fromkeys(filter(None, (_clean_text(name) for name in chain(*paths))))),
        "description": _clean_text(" ".join(description) if isinstance(description, list) else description),
    }


def _clean_text(text: str | None) -> str | None:
    return plain_text(text or "") or None
