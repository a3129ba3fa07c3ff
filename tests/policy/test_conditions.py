"""Conditions on items: what they mean, and that nothing else gets through."""

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrank.errors import RequestError
from tailrank.policy.conditions import DEEPEST, MOST_OPERATORS, as_expression, columns_of, matches

ITEMS = pl.DataFrame(
    {
        "item_id": ["w1", "w2", "t1", "t2"],
        "category": ["wine", "wine", "tea", None],
        "price": [4.5, 12.0, 3.0, None],
        "tags": [["red", "dry"], ["white"], [], None],
        "on sale": [True, False, None, True],
        "select": [1, 2, 3, 4],
    }
)


def met(*conditions: str, items: pl.DataFrame = ITEMS) -> list[list[str]]:
    """Ids of the items that meet each condition."""
    given = [(condition, as_expression(condition, items.schema)) for condition in conditions]
    bits = np.unpackbits(matches(given, items), axis=1, count=len(given)).astype(bool)
    return [items["item_id"].filter(pl.Series(column)).to_list() for column in bits.T]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("category = 'wine'", "w1 w2"),
        ("category <> 'wine'", "t1"),
        ("NOT (category = 'wine') OR category IS NULL", "t1 t2"),
        ("category in ('tea', 'milk') and price < 5", "t1"),
        ("price between 4 and 12", "w1 w2"),
        ("price * 2 > 9.5 - 1e-1", "w2"),
        ("price > -1", "w1 w2 t1"),
        ('"on sale"', "w1 t2"),
        ('"on sale" = FALSE', "w2"),
        ("array_contains(tags, 'red')", "w1"),
        ("Array_Length(tags) = 0", "t1"),
        ("category LIKE 'w_n%'", "w1 w2"),
        ("upper(category) ILIKE 'TEA'", "t1"),
        (r"category ~ '^t\w+$'", "t1"),
        ("coalesce(category, 'none') = 'none'", "t2"),
        ("item_id IN ('w2', 't2')", "w2 t2"),
        ("select > 3", "t2"),
        ("category = 'it''s (SELECT 1)'", ""),
        ("TRUE", "w1 w2 t1 t2"),
        ("1 > 2", ""),
    ],
)
def test_what_they_mean(condition: str, expected: str) -> None:
    assert met(condition) == [expected.split()]


def test_many_at_once_are_as_one_by_one() -> None:
    conditions = [f"price < {n}" for n in range(100)]
    assert met(*conditions) == [found for condition in conditions for found in met(condition)]
    assert met("price < 4", items=ITEMS.clear()) == [[]]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "unable to parse"),
        ("categry = 'wine'", "items have no column `categry`: did you mean `category`?"),
        ("price", "neither true nor false"),
        ("price = 'cheap'", "cannot compare string"),
        ("category ~ '('", "unclosed group"),
        ("category LIKE item_id", "LIKE"),
        ("length(price) > 3", "`length"),
        ("sum(price) > 3", "there is no function `sum`"),
        ("lenght(category) = 3", "did you mean `LENGTH`?"),
        ("price IN (SELECT price FROM items)", "an operator is missing before `price`"),
        ("price > (SELECT max(price) FROM read_csv('gone.csv'))", "no function `max`"),
        ("price IN (SELECT * FROM read_csv('gone.csv'))", "a value is missing before `FROM`|no function"),
        ("EXISTS (TABLE items)", "no function `EXISTS`"),
        ("price > 1 -- ' \n", "can't be read from `'"),
        ("price > 1; price > 2", "can't be read from `; price > 2` on"),
        ("price::int = 1", "can't be read from `::int"),
        ("items.price = 1", "can't be read from `.price"),
        ("category = 'a\\' OR 1=1 OR category='b'", "can't be read from `'a"),
        ("category = E'a'", "an operator is missing before `'a'`"),
        ("a" * 30_000, "30,000 characters"),
        ("(" * (DEEPEST + 1) + "TRUE", "is too long"),
        (" AND ".join(["TRUE"] * (MOST_OPERATORS + 2)), "is too long"),
    ],
)
def test_what_is_refused(condition: str, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        met(condition)
    assert any(part in str(refused.value) for part in message.split("|")), refused.value


def test_the_one_at_fault_is_named_among_others() -> None:
    with pytest.raises(RequestError, match=r"`category ~ '\)'`"):
        met("price > 1", "category ~ ')'", "price > 2")


SOUP = r"""
AND OR NOT IN IS NULL TRUE LIKE BETWEEN SELECT FROM WITH VALUES TABLE CASE WHEN THEN END CAST AS OVER ANY
EXISTS INTERVAL DATE LOWER LENGTH ABS ROUND REGEXP_LIKE ARRAY_CONTAINS read_csv read_parquet max category
price tags select item_id gone ( ) , = < <> ~ !~ + - * / % ; :: . -- /* */ 'wine' '(a+)+$' 'gone.csv' 'x'' "
"price" "on sale" 1 2.5 1e400 99999999999999999999 \
"""
WORDS = st.sampled_from(SOUP.split())
SENTENCES = st.lists(WORDS, max_size=14).map(" ".join) | st.lists(WORDS, max_size=8).map("".join)


@settings(max_examples=300)
@given(SENTENCES | st.text(max_size=60))
def test_whatever_is_written_is_a_condition_or_refused(text: str) -> None:
    """A file that is asked for doesn't exist, so whatever reached it would fail in another way."""
    try:
        [found] = met(text)
    except RequestError:
        return
    assert set(found) <= set(ITEMS["item_id"])
    assert set(columns_of(text)) <= set(ITEMS.columns)


@pytest.mark.parametrize(
    "condition",
    [
        " AND ".join(["price > 1"] * 25),
        "NOT " * 30 + '"on sale"',
        "(" * DEEPEST + "TRUE" + ")" * DEEPEST,
        f"item_id IN ({', '.join(repr(str(n)) for n in range(2_000))})",
        "category ~ '(a+)+$'",
        "category LIKE '" + "%a" * 200 + "'",
    ],
)
def test_the_longest_take_little_time(condition: str) -> None:
    items = ITEMS.with_columns(category=pl.lit("a" * 2_000 + "b"))
    start = time.process_time()
    met(condition, items=pl.concat([items] * 100))
    assert time.process_time() - start < 20
