"""Vectors in a column of items: what is read, and what is said of what can't be."""

import numpy as np
import polars as pl
import pytest

from tailrank.errors import DataError
from tailrank.language.vector_column import column_vectors, vector_of


def items(*cells: object, dtype: pl.DataType | None = None) -> pl.DataFrame:
    ids = [f"i{n}" for n in range(len(cells))]
    return pl.DataFrame({"item_id": ids, "picture": pl.Series(cells, dtype=dtype, strict=False)})


@pytest.mark.parametrize(
    "table",
    [
        items([3.0, 4.0], None, [0.0, 2.0]),
        items([3.0, 4.0], [], [0.0, 2.0]),
        items([3, 4], [0, 0], [0, 2]),
        items("[3, 4]", None, "[0.0, 2e0]"),
        items("[3, 4]", " ", "[0.0, 2e0]"),
        items([3.0, 4.0], None, [0.0, 2.0], dtype=pl.Array(pl.Float32, 2)),
        items([3e300, 4e300], None, [0.0, 2e-300]),
    ],
    ids=["lists", "empty", "whole", "text", "blank", "arrays", "large"],
)
def test_lists_are_scaled_and_missing_ones_are_zero(table: pl.DataFrame) -> None:
    expected = np.array([[0.6, 0.8], [0, 0], [0, 1]])
    np.testing.assert_allclose(column_vectors(table, "picture"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        (items([1.0]), "pictures", "items have no column `pictures`: did you mean `picture`?"),
        (items(None, None), "picture", "items: the column `picture` holds Null, no lists of numbers"),
        (items([], []), "picture", "items: no vector in the column `picture`"),
        (items(5, 7), "picture", "holds Int64, no lists of numbers"),
        (items([1.0, 2.0], [1.0]), "picture", r"row 2 \(item 'i1'\): `picture` has length 1, row 1 2"),
        (items([1.0], [None]), "picture", r"row 2 \(item 'i1'\): `picture` holds a number that is missing"),
        (items([1.0], [np.inf]), "picture", r"row 2 \(item 'i1'\): `picture` holds a number that is missing"),
        (items("[1]", "cat.png"), "picture", r"row 2 \(item 'i1'\): `picture` holds 'cat.png', no list"),
    ],
)
def test_what_is_no_vector_is_named(table: pl.DataFrame, column: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        column_vectors(table, column)


@pytest.mark.parametrize(
    "value", [[1, 2, 3], [1, True], [1, None], ["1", 2], [1, 10**400], [1, np.nan], "12"]
)
def test_a_value_of_json_that_is_no_vector_is_none(value: object) -> None:
    assert vector_of(value, 2) is None
