"""`Dataset`: ids to codes, events in order, and tables that break the contract refused."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from test_readers import data_tables

from tailrank.data.dataset import Dataset
from tailrank.data.histories import UNTYPED
from tailrank.errors import DataError, RequestError
from tailrank.language.text import item_texts

ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Tea", "Coffee", "Milk"]})


def events(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u", "v", "u"], "item_id": ["a", "b", "c"]} | columns)


def histories(data: Dataset) -> dict[str, list[str]]:
    """Item ids of each user id, oldest first."""
    h = data.histories
    return {
        user: [data.item_ids[code] for code in h.items[h.offsets[row] : h.offsets[row + 1]]]
        for row, user in enumerate(data.user_ids)
    }


def test_events_are_ordered_by_time_then_position_then_row() -> None:
    assert histories(Dataset.construct(ITEMS, events(timestamp=[2, 1, 1]))) == {"u": ["c", "a"], "v": ["b"]}
    assert histories(Dataset.construct(ITEMS, events(timestamp=[1, 1, 1]))) == {"u": ["a", "c"], "v": ["b"]}
    tied = events(timestamp=[1, 1, 1], position=[1, 0, 0])
    assert histories(Dataset.construct(ITEMS, tied)) == {"u": ["c", "a"], "v": ["b"]}
    assert histories(Dataset.construct(ITEMS, events(position=[1, 0, 0]))) == {"u": ["c", "a"], "v": ["b"]}


@pytest.mark.parametrize(
    ("columns", "clock", "times"),
    [
        (
            {"timestamp": [20, 5, 10], "position": [9, 9, 9], "elapsed_seconds": [9, 9, 9]},
            "timestamp",
            [10, 20, 5],
        ),
        ({"position": [1, 0, 0], "elapsed_seconds": [7, 0, 0]}, "elapsed", [0, 7, 0]),
        ({"position": [1, 0, 0]}, "position", [0, 1, 0]),
    ],
)
def test_the_best_clock_is_chosen(columns: dict[str, list[object]], clock: str, times: list[float]) -> None:
    data = Dataset.construct(ITEMS, events(**columns))
    assert data.clock == clock
    assert data.histories.times.tolist() == times


def test_event_types_are_coded_in_alphabetical_order() -> None:
    data = Dataset.construct(ITEMS, events(timestamp=[1, 2, 3], event=["view", None, "buy"]))
    assert data.event_types == ("buy", "view")
    assert [event.event for event in data.history("u")] == ["view", "buy"]
    assert data.histories.types.tolist() == [1, 0, UNTYPED]


@pytest.mark.parametrize("column", [{}, {"event": [None, None, None]}, {"event": ["", None, ""]}])
def test_without_any_event_type_all_have_one(column: dict[str, list[object]]) -> None:
    data = Dataset.construct(ITEMS, events(timestamp=[1, 2, 3], **column))
    assert data.event_types == ("event",)
    assert not data.histories.types.any()


def test_integer_ids_and_dates_are_read_as_in_a_folder() -> None:
    items = pl.DataFrame({"item_id": [7, 8]})
    data = Dataset.construct(
        items, pl.DataFrame({"user_id": [1, 1], "item_id": [8, 7], "timestamp": ["1970-01-02", "0"]})
    )
    assert data.user_ids.to_list() == ["1"]
    assert histories(data) == {"1": ["7", "8"]}


def test_pandas_frames_are_read_like_polars_frames() -> None:
    items = ITEMS.with_columns(genres=pl.Series([["hot"], None, []]), price=pl.Series([1.5, None, 2.0]))
    log = events(timestamp=[dt.datetime(2024, 1, n) for n in (2, 1, 3)], event=["view", None, "buy"])
    from_polars = Dataset.construct(items, log)
    from_pandas = Dataset.construct(
        pd.DataFrame(items.to_dict(as_series=False)), pd.DataFrame(log.to_dicts())
    )
    assert_frame_equal(from_pandas.items, from_polars.items)
    assert from_pandas.fingerprint == from_polars.fingerprint
    assert from_pandas.user_ids.to_list() == from_polars.user_ids.to_list()
    missing = pd.DataFrame({"user_id": ["u", "v"], "item_id": ["a", None], "timestamp": [1, 2]})
    with pytest.raises(DataError, match="row 2 has None"):
        Dataset.construct(items, missing)


DATE = pd.Timestamp("2024-01-31 09:30", tz="Europe/Berlin")
COLUMNS = {
    "lists": (pd.Series([["hot", "leaf"], None, []]), ["hot, leaf", "", ""]),
    "arrays": (pd.Series([np.array(["hot", "leaf"]), None, np.array([])]), ["hot, leaf", "", ""]),
    "tuples": (pd.Series([("hot", "leaf"), None, ()]), ["hot, leaf", "", ""]),
    "lists with gaps": (pd.Series([["hot", np.nan], [None, pd.NA], [pd.NaT, "leaf"]]), ["hot", "", "leaf"]),
    "lists of objects beside text": (
        pd.Series([(np.int64(1), DATE), np.array([7]), "cold"]),
        [f"1, {DATE}", "7", "cold"],
    ),
    "lists beside text": (pd.Series([["hot", "leaf"], "cold", None]), ["hot, leaf", "cold", ""]),
    "lists beside numbers": (pd.Series([[1, 2], 3, None]), ["1, 2", "3", ""]),
    "categories": (pd.Series(["hot", "cold", None], dtype="category"), ["hot", "cold", ""]),
    "text": (pd.Series(["hot", None, "cold"], dtype="string"), ["hot", "", "cold"]),
    "objects": (pd.Series(["hot", float("nan"), None], dtype=object), ["hot", "", ""]),
    "mixed": (pd.Series(["hot", 7, None], dtype=object), ["hot", "7", ""]),
    "integers": (pd.Series([2020, None, 2**53 + 1], dtype="Int64"), ["2020", "", "9007199254740993"]),
    "booleans": (pd.Series([True, None, False], dtype="boolean"), ["true", "", "false"]),
    "floats": (pd.Series([1.5, None, 2.0]), ["1.5", "", "2.0"]),
    "dates": (pd.Series([dt.date(2024, 1, 31), None, None]), ["2024-01-31", "", ""]),
    "UUIDs": (pd.Series([uuid.UUID(int=7), None, None]), ["00000000-0000-0000-0000-000000000007", "", ""]),
    "decimals": (pd.Series([Decimal("1.50"), None, Decimal(2)]), ["1.50", "", "2.00"]),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_every_pandas_column_is_read(case: str) -> None:
    column, texts = COLUMNS[case]
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "x": column})
    data = Dataset.construct(items, pd.DataFrame(columns=["user_id", "item_id", "timestamp"]))
    assert item_texts(data.items, "{x}") == texts


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_pandas_times_of_every_unit(unit: str, zone: str | None) -> None:
    times = pd.Series([DATE.tz_convert(zone)] * 3 if zone else [DATE.tz_convert(None)] * 3)
    dtype = f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]"
    log = pd.DataFrame(events().to_dict(as_series=False)).assign(timestamp=times.astype(dtype))
    assert Dataset.construct(ITEMS, log).histories.times.tolist() == [DATE.timestamp()] * 3


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"timestamp": pd.Series([DATE, pd.NaT, DATE])}, "row 2 has None"),
        ({"timestamp": pd.period_range("2024-01-31", periods=3)}, "timestamp is Object"),
        ({"timestamp": np.array(["20240-01-31"] * 3, "datetime64[s]")}, "row 1 has 576548064000"),
        ({"timestamp": pd.Series([DATE, DATE.tz_convert("UTC"), None], dtype=object)}, "times of one zone"),
        ({"timestamp": 1, "note": ["half \ud83d", "", ""]}, "column 'note' can't be read"),
    ],
)
def test_pandas_columns_that_are_refused(column: dict[str, object], words: str) -> None:
    log = pd.DataFrame(events().to_dict(as_series=False)).assign(**column)
    with pytest.raises(DataError, match=f"events: .*{words}"):
        Dataset.construct(ITEMS, log)


def test_pandas_columns_of_one_name_are_refused() -> None:
    items = pd.DataFrame([["a", "Tea", "Mug"]], columns=["item_id", "title", "title"])
    with pytest.raises(DataError, match="items: column 'title' is repeated"):
        Dataset.construct(items, events(timestamp=[1, 2, 3]))


@pytest.mark.parametrize("column", [pd.interval_range(0, 3), [{1}] * 3, [{}] * 3, [[{}]] * 3])
def test_columns_that_no_model_can_keep_are_refused_before_training(column: object) -> None:
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "x": column})
    with pytest.raises(DataError, match=r"items: .*x is .*leave it out"):
        Dataset.construct(items, events(timestamp=[1, 2, 3]))
    log = pd.DataFrame(events(timestamp=[1, 2, 3]).to_dict(as_series=False)).assign(x=column)
    assert Dataset.construct(ITEMS, log).n_users  # of events, nothing else is kept


@pytest.mark.parametrize("items", [ITEMS.lazy(), ITEMS.to_dict(), ITEMS.to_dicts(), None])
def test_what_is_no_frame_is_refused(items: Any) -> None:
    with pytest.raises(DataError, match=f"items: give a .*, not {type(items).__name__}"):
        Dataset.construct(items, events(timestamp=[1, 2, 3]))


def test_no_events_are_allowed_in_memory() -> None:
    data = Dataset.construct(
        ITEMS, pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64})
    )
    assert (data.n_users, len(data.histories), data.counts.tolist()) == (0, 0, [0, 0, 0])


@pytest.mark.parametrize(
    ("items", "log", "words"),
    [
        (ITEMS, events(), "timestamp or position"),
        (ITEMS, events(timestamp=[1, None, 2]), "row 2 has None"),
        (ITEMS.head(1), events(timestamp=[1, 2, 3]), r"unknown item_id \(2\): row 2 has 'b'"),
        (pl.concat([ITEMS, ITEMS]), events(timestamp=[1, 2, 3]), r"duplicate item_id \(3\): row 4 has 'a'"),
        (ITEMS.drop("item_id"), events(timestamp=[1, 2, 3]), "items: missing columns"),
        (ITEMS, events(timestamp=[1, 2, 3]).drop("user_id"), "events: missing columns"),
        (ITEMS.with_columns(item_id=pl.lit(1.5)), events(timestamp=[1, 2, 3]), "item_id is Float64"),
    ],
)
def test_broken_tables_are_refused(items: pl.DataFrame, log: pl.DataFrame, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Dataset.construct(items, log)


def test_codes_and_counts() -> None:
    data = Dataset.construct(ITEMS, events(timestamp=[1, 2, 3]))
    assert data.codes(["c", "a"]).tolist() == [2, 0]
    assert data.counts.tolist() == [1, 1, 1]
    with pytest.raises(RequestError, match="'z' is not in the catalogue of data"):
        data.codes(["z"])


def test_other_codes_are_as_wide_as_those_before() -> None:
    given = Dataset.construct(ITEMS, events(timestamp=[1, 2, 3])).histories
    types: Any = np.append(np.zeros(given.types.max() + 1, np.int32), UNTYPED)
    found = given.recoded(np.arange(3, dtype=np.int32), types)
    assert found.items.tolist() == given.items.tolist()
    assert {column.dtype.str for column in (found.items, found.types)} == {"<i4"}


@given(tables=data_tables())
@settings(max_examples=80)
def test_coding_loses_nothing(tables: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    items, log = tables
    data = Dataset.construct(items, log)
    h = data.histories
    back = pl.DataFrame(
        {
            "user_id": data.user_ids.gather(h.owners),
            "item_id": data.items["item_id"].gather(h.items),
            "timestamp": h.times,
            "event": [event.event for event in data.events(h, slice(None))],
        }
    )
    want = log.select("user_id", "item_id", "timestamp", "event")
    if want["event"].is_null().all():
        want = want.with_columns(event=pl.lit("event"))
    first = want["user_id"].unique(maintain_order=True)
    want = want.sort(pl.col("user_id").cast(pl.Enum(first)), "timestamp", maintain_order=True)
    assert_frame_equal(back, want)


@given(tables=data_tables())
@settings(max_examples=40)
def test_constructing_twice_changes_nothing(tables: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    once = Dataset.construct(*tables)
    twice = Dataset.construct(once.items, tables[1])
    assert_frame_equal(once.items, twice.items)
    assert once.histories.items.tolist() == twice.histories.items.tolist()


def test_until_forgets_later_events() -> None:
    data = Dataset.construct(ITEMS, events(timestamp=[1, 2, 3]))
    assert histories(data.until(data.histories.offsets[1:] - 1)) == {"u": ["a"], "v": []}
