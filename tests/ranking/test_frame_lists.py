"""Frames of lists: what `rank` says of each list, in the frames that users have."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tailrank import Dataset, Request, Reranker, Settings
from tailrank.errors import DataError, RequestError

SHOP = Dataset.construct(
    pl.DataFrame({"item_id": list("abcdef"), "title": ["tea", "green tea", "pot", "tent", "stove", "lamp"]}),
    pl.DataFrame(
        {
            "user_id": ["1", "1", "1", "2", "2", "2", "3", "3", "4", "4"],
            "item_id": ["a", "b", "c", "d", "e", "f", "a", "c", "e", "d"],
            "event": ["view", "buy", "view", None, "view", "buy", "view", "view", "buy", "view"],
            "timestamp": [1, 2, 3, 1, 2, 3, 5, 6, 7, 8],
        }
    ),
)
RERANKER = Reranker.fit(SHOP, None, Settings())
LISTS = pl.DataFrame(
    {
        "user_id": [1, 2, 1, 9, 2, 1, 9],  # two lists mixed, one of a user without history
        "item_id": ["d", "a", "b", "c", "d", "c", "new"],
        "als": [0.1, 0.9, None, 0.3, 0.2, 0.8, 0.5],
        "page": [7, 7, 7, 8, 8, 8, 8],
    }
)


def expected(**options: Any) -> list[tuple[int, str, int, float, int]]:
    found = []
    for user in (1, 2, 9):
        rows = LISTS.filter(user_id=user).sort("als", descending=True, nulls_last=True)
        history = [] if user == 9 else SHOP.history(str(user))
        given = {"als": rows["als"].fill_null(np.nan).to_list()}
        ranking = RERANKER.rank(Request(history, rows["item_id"].to_list(), given, **options))
        found += [(user, item.item_id, item.rank, item.score, item.previous_rank) for item in ranking]
    return found


def rows_of(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.select("user_id", "item_id", "rank", "score", "previous_rank").rows()


def test_each_list_is_ranked_as_by_a_request_of_its_own() -> None:
    found = RERANKER.rank_frame(LISTS, SHOP, scores=["als"])
    assert rows_of(found) == expected()
    assert found["page"].to_list() == [
        LISTS.filter(user_id=user, item_id=item)["page"].item()
        for user, item in found.select("user_id", "item_id").rows()
    ]
    assert rows_of(RERANKER.rank_frame(LISTS, SHOP, scores=["als"], k=1)) == expected(k=1)


def test_the_frame_that_comes_back_is_of_the_kind_that_was_given() -> None:
    plain = RERANKER.rank_frame(LISTS, SHOP, scores=["als"])
    by_pandas = RERANKER.rank_frame(pd.DataFrame(LISTS.to_dict(as_series=False)), SHOP, scores=["als"])
    assert isinstance(by_pandas, pd.DataFrame)
    assert by_pandas.to_dict("list")["score"] == plain["score"].to_list()
    assert list(by_pandas.columns) == plain.columns


def test_a_table_of_pyarrow_comes_back_as_one() -> None:
    pa = pytest.importorskip("pyarrow")  # no dependency: pandas makes other columns where it is there
    found = RERANKER.rank_frame(pa.table(LISTS), SHOP, scores=["als"])
    assert isinstance(found, pa.Table)
    assert pl.DataFrame(found).equals(RERANKER.rank_frame(LISTS, SHOP, scores=["als"]))


class OtherTable:
    """A table of yet another library, which only offers its columns as Arrow does."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def test_data_and_lists_may_come_from_any_table_of_arrow() -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": [20, 10]})
    data = Dataset.construct(OtherTable(SHOP.items), OtherTable(events))
    assert data.histories.items.tolist() == [0, 1]
    found: Any = RERANKER.rank_frame(OtherTable(LISTS), SHOP, scores=["als"])
    assert rows_of(found) == expected()


def test_histories_may_be_a_frame_of_events_even_of_unknown_items() -> None:
    events = pl.DataFrame({"user_id": ["1", "1"], "item_id": ["gone", "a"], "timestamp": [1, 2]})
    lists = pl.DataFrame({"user_id": ["1", "1"], "item_id": ["d", "b"]})
    ranking = RERANKER.rank(["a"], ["d", "b"])
    assert RERANKER.rank_frame(lists, events)["score"].to_list() == ranking.scores


def test_positions_order_a_list_and_queries_tell_lists_of_one_user_apart() -> None:
    lists = pl.DataFrame(
        {"query": ["x", "y", "x"], "user_id": ["1"] * 3, "item_id": ["b", "b", "d"], "position": [2, 1, 1]}
    )
    found = RERANKER.rank_frame(lists, SHOP).sort("query", "previous_rank")
    assert found.select("query", "item_id").rows() == [("x", "d"), ("x", "b"), ("y", "b")]
    no_users = RERANKER.rank_frame(lists.drop("user_id"))
    assert len(no_users) == 3


def test_a_given_score_counts_and_stays_and_a_ranked_frame_can_be_ranked_again() -> None:
    lists = pl.DataFrame({"user_id": ["1", "1"], "item_id": ["d", "b"], "score": [0.0, 9.0]})
    once = RERANKER.rank_frame(lists, SHOP)
    assert once.columns == ["user_id", "item_id", "previous_score", "rank", "score", "previous_rank"]
    assert once["score"].to_list() == RERANKER.rank(SHOP.history("1"), ["d", "b"], scores=[0.0, 9.0]).scores
    assert RERANKER.rank_frame(once, SHOP).columns == once.columns
    assert RERANKER.rank_frame(lists[:0], SHOP).columns == once.columns


@pytest.mark.parametrize(
    ("lists", "history", "error", "what"),
    [
        (pl.DataFrame({"item_id": ["a"]}), None, DataError, "missing columns .*user_id"),
        (LISTS.drop("item_id"), None, DataError, "missing columns .*item_id"),
        (LISTS.with_columns(item_id=None), None, DataError, "item_id"),
        (pl.DataFrame({"query": ["x"], "item_id": ["a"]}), SHOP, RequestError, "lists without user_id"),
        ([1], None, DataError, "not list"),
        (LISTS.with_columns(query=pl.lit("x")), None, DataError, "lists with several user_id"),
    ],
)
def test_what_is_no_frame_of_lists_is_refused(
    lists: Any, history: Any, error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        RERANKER.rank_frame(lists, history)


def test_a_score_column_that_is_missing_is_named() -> None:
    with pytest.raises(DataError, match="ncf"):
        RERANKER.rank_frame(LISTS, SHOP, scores=["ncf"])
