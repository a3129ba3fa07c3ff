"""How columns are read for policies."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.data.values import to_seconds
from tailrank.policy.values import categories, seconds


@given(st.lists(st.lists(st.sampled_from(["a", "b", "", "c d"])) | st.none() | st.text()))
def test_categories_are_distinct_texts_in_their_order(values: list[list[str] | str | None]) -> None:
    for value, found in zip(values, categories(values), strict=True):
        given_ones = value if isinstance(value, list) else [value]
        assert sorted(set(found)) == sorted({one for one in given_ones if one})
        assert list(found) == sorted(found, key=given_ones.index)


def test_numbers_are_written_as_they_stand_and_zero_is_one_of_them() -> None:
    assert categories([0, 1, True, 1.5, [0, 7]]) == [("0",), ("1",), ("True",), ("1.5",), ("0", "7")]


def test_objects_say_nothing_and_leave_the_others_alone() -> None:
    assert categories([{"name": "War"}, [{"name": "War"}], "Drama"]) == [(), (), ("Drama",)]
    assert seconds([{"at": 1}, [5]]).tolist() == [-np.inf, -np.inf]


def test_times_are_read_in_any_form_of_the_data() -> None:
    at = 1_700_006_400.0
    assert datetime.fromtimestamp(at, UTC).isoformat() == "2023-11-15T00:00:00+00:00"
    forms = [at, int(at), at * 1000, "2023-11-15", date(2023, 11, 15), datetime(2023, 11, 15), 20231115]
    assert seconds([*forms, datetime(2023, 11, 15, tzinfo=UTC), str(int(at))]).tolist() == [at] * 9
    assert seconds(["2023-11-15T01:00:00+01:00", "2023-11-15 00:00:00Z", "15.11.2023"]).tolist() == [at] * 3


@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2099, 1, 1))
    | st.dates(date(1990, 1, 2), date(2099, 1, 1))
    | st.integers(631_152_000, 4_102_444_800)
    | st.integers(631_152_000_000, 4_102_444_800_000)
)
def test_one_time_is_read_as_a_column_of_one(value: object) -> None:
    for form in (value, value.isoformat() if isinstance(value, date) else str(value)):
        column = to_seconds(pl.Series([form], strict=False))
        assert column is not None
        assert seconds([form])[0] == pytest.approx(column[0], abs=1e-6)


def test_years_are_no_times() -> None:
    with pytest.raises(ValueError, match="holds years, such as 1995"):
        seconds([1995])
