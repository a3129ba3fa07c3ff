"""Times in the formats that exports have, against the standard library; and what is no time."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.data.dataset import Dataset
from tailrank.data.imports import records
from tailrank.data.values import to_seconds
from tailrank.errors import DataError

MOMENT = dt.datetime(2024, 1, 31, 9, 30, 15, 250_000, tzinfo=dt.UTC)
FORMATS = {
    "%Y%m%d": MOMENT.replace(hour=0, minute=0, second=0, microsecond=0),
    "%Y%m%d%H": MOMENT.replace(minute=0, second=0, microsecond=0),
    "%Y%m%d%H%M": MOMENT.replace(second=0, microsecond=0),
    "%Y%m%d%H%M%S": MOMENT.replace(microsecond=0),
    "%Y%m%d%H%M%S250": MOMENT,
}


def read(*values: object) -> list[float | None]:
    found = to_seconds(pl.Series(values, strict=False))
    assert found is not None
    return found.to_list()


@pytest.mark.parametrize("form", FORMATS)
def test_compact_dates_are_read_as_numbers_and_as_text(form: str) -> None:
    text, seconds = MOMENT.strftime(form), FORMATS[form].timestamp()
    assert read(text, None, f" {text} ") == [seconds, None, seconds]
    assert read(int(text), None) == [seconds, None]
    if len(text) < 17:  # more than a double holds
        assert read(float(text), None) == [seconds, None]
        assert read(f"{text}.0") == [seconds]


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2099, 12, 31)))
def test_a_day_is_a_day(moment: dt.datetime) -> None:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=dt.UTC)
    assert read(int(day.strftime("%Y%m%d"))) == [day.timestamp()]


@pytest.mark.parametrize(
    "text",
    [
        *("20240131T093015Z", "20240131T093015.250Z", "20240131T0930", "20240131T113015+0200"),
        *(
            "2024-01-31 11:30:15 +02:00",
            "2024-01-31T10:30:15.25+01:00[Europe/Berlin]",
            "2024-01-31T09:30Z[UTC]",
        ),
        *("2024-01-31T09:30:15.250+00:00", "2024-01-31 09:30:15.25 UTC", "2024-01-31T09:30"),
    ],
)
def test_iso_8601_has_a_basic_format(text: str) -> None:
    moment = dt.datetime.fromisoformat(text.partition("[")[0].replace(" UTC", "Z").replace(" +", "+"))
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    assert read(text, "2024-02-01") == [seconds, 1706745600.0]
    assert records.iso_seconds(text) == seconds  # as servers and imports read it


@pytest.mark.parametrize("numbers", [[1, 2, 3], [0, 100_000], [20240131, 20240230], [5, 2024], [19891231]])
def test_an_order_stays_an_order(numbers: list[int]) -> None:
    assert read(*numbers) == numbers


@pytest.mark.parametrize("other", [20240131, 20240131093015, 2024, 202401, 45322, 1_706_659_200_000])
def test_among_times_another_format_is_refused_with_its_row(other: int) -> None:
    assert read(1_706_659_200, other, 1_706_659_300) == [1_706_659_200, None, 1_706_659_300]
    times = [1_706_659_200, other, 1_706_659_300]
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a"] * 3, "timestamp": times})
    with pytest.raises(DataError, match=f"timestamp.*row 2 has {other}"):
        Dataset.construct(pl.DataFrame({"item_id": ["a"]}), events)


@pytest.mark.parametrize("other", [0, 20240230, 99991231, 19000101, 1_706_659_200])
def test_among_compact_dates_another_format_is_refused_with_its_row(other: int) -> None:
    assert read(20240131, other, 20240201) == [1706659200, None, 1706745600]


@pytest.mark.parametrize("other", ["2024", "202401", "45322", "45322.5"])
def test_among_dates_what_is_too_coarse_is_refused_with_its_row(other: str) -> None:
    assert read("2024-01-31", other, "1706659300") == [1706659200, None, 1706659300]
    assert read("2024-01-31", other) == [1706659200, None]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ([2023] * 10 + [0], "years, such as 2023"),
        ([0] + [202312, 202401] * 5, "months, such as 202312"),
        ([2023, 2024], "years, such as 2023"),
        (["2023", None, "2024"], "years, such as 2023"),
        ([202312, 202401], "months, such as 202312"),
        ([45322, 45323.5], "days of a spreadsheet, such as 45322"),
    ],
)
def test_what_is_too_coarse_is_refused_with_the_remedy(column: list[object], name: str) -> None:
    events = pl.DataFrame({"user_id": ["u"] * len(column), "item_id": ["a"] * len(column)})
    events = events.with_columns(timestamp=pl.Series(column, strict=False)).drop_nulls()
    with pytest.raises(DataError, match=f"timestamp holds {name}.*seconds since 1970.*`position`"):
        Dataset.construct(pl.DataFrame({"item_id": ["a"]}), events)


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Datetime("us", "UTC")])
def test_the_infinity_of_databases_is_refused_with_its_row(dtype: pl.DataType) -> None:
    largest = 2**31 - 1 if dtype == pl.Date else 2**63 - 1
    times = pl.Series([19_753, largest]).cast(dtype)
    events = pl.DataFrame({"user_id": ["u"] * 2, "item_id": ["a"] * 2, "timestamp": times})
    with pytest.raises(DataError, match=r"unreadable timestamp.*row 2 has \d+"):
        Dataset.construct(pl.DataFrame({"item_id": ["a"]}), events)


def test_the_zero_of_a_program_is_no_time() -> None:
    assert read("0001-01-01T00:00:00Z", "2024-01-31") == [None, 1706659200.0]
    assert read(dt.datetime(1, 1, 1), dt.datetime(2024, 1, 31)) == [None, 1706659200.0]
