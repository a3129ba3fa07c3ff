"""Events of a log beside those of a data folder: each once, and only what a model may learn from."""

from __future__ import annotations

import polars as pl
import pytest
from log_helpers import NOW, event

from tailrank.data.dataset import Dataset
from tailrank.errors import DataError
from tailrank.feedback.log_tables import tables
from tailrank.feedback.logged_events import with_logged

ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "title": "tea"})
LOG = tables(
    [
        event("1", "a"),  # 60 s after NOW
        event("2", "b", at=NOW + 0.5),
        event("3", "z"),
        event("4", "c", type_="dislike"),
        event("5", "c", user="bob", type_="purchase"),
    ]
)


def folder(**columns: object) -> pl.DataFrame:
    rows = {"user_id": ["ada", "ada"], "item_id": ["b", "a"], "timestamp": [NOW, NOW - 60]}
    return pl.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("columns", "added"),
    [
        ({}, ["a", "c"]),
        ({"event": ["click", "click"]}, ["a", "c"]),
        ({"event": ["view", "click"]}, ["a", "b", "c"]),
        ({"event_id": ["2", "9"]}, ["a", "c"]),
        ({"event_id": [7, 9]}, ["a", "b", "c"]),
        ({"event_id": ["1", "9"]}, ["a", "b", "c"]),  # of another item: another event
        ({"position": [2, 1]}, ["a", "c"]),
    ],
)
def test_each_event_is_there_once(columns: dict[str, object], added: list[str]) -> None:
    found = with_logged(folder(**columns), ITEMS, LOG)
    assert (found.added, found.unknown) == (len(added), 1)
    assert sorted(found.events["item_id"][2:]) == added
    data = Dataset.construct(ITEMS, found.events)
    assert sorted(data.user_ids) == ["ada", "bob"]
    assert [each.item_id for each in data.history("ada")][:2] == ["a", "b"]
    assert data.event_types == (("event",) if "event" not in columns else data.event_types)


def test_ids_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="event_id is Float64"):
        with_logged(folder(event_id=[0.5, 1.5]), ITEMS, LOG)
