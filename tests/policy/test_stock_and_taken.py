"""What can't be had any more, and what the user has already."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.registry import described, from_description
from tailrank.policy.stock import Stock
from tailrank.policy.taken import AlreadyTaken
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.listing import CandidateListing

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "stock": [3, 0, None, -1],
        "sold": [True, False, None, True],
        "category": ["milk", "milk", "lamp", "lamp"],
    }
)
CATALOGUE = Catalogue.from_items(ITEMS, np.arange(4), ("click", "purchase"), "timestamp")
NOW, DAY = 1_800_000_000.0, 86_400


def listing(*events: tuple[str, str, float], catalogue: Catalogue = CATALOGUE) -> CandidateListing:
    ids = [*ITEMS["item_id"], "new", "?"]
    history = History(*map(list, zip(*events, strict=True))) if events else History([], [], [])
    return CandidateListing(ids, catalogue.codes_of(ids), history, NOW, catalogue, ())


def removed(step: Any, *events: tuple[str, str, float], catalogue: Catalogue = CATALOGUE) -> list[str]:
    asked, zeros = listing(*events, catalogue=catalogue), np.zeros(6, np.float32)
    found = step.apply(Scored(zeros, zeros, listing=asked))
    return [name for name, stays in zip(asked.ids, found.left.tolist(), strict=True) if not stays]


def test_what_is_sold_out_goes_and_what_nobody_counts_stays() -> None:
    assert removed(Stock()) == ["b", "d"]
    assert removed(Stock("sold")) == ["b"]


def test_stock_is_what_was_said_last() -> None:
    columns: list[dict[str, object]] = [{"stock": 0}, {"stock": 5}, {"stock": "0"}, {}]
    assert removed(Stock(), catalogue=CATALOGUE.with_items(["a", "b", "new", "d"], columns)) == ["a", "new"]


@pytest.mark.parametrize(
    ("column", "message"),
    [("stok", "no column `stok`: did you mean `stock`"), ("category", "`category` must hold numbers")],
)
def test_columns_of_something_else(column: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Stock(column).check(listing())


BOUGHT, SEEN, LONG_AGO = (
    ("a", "purchase", NOW - DAY),
    ("c", "click", -np.inf),
    ("d", "purchase", NOW - 40 * DAY),
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (AlreadyTaken(), "a c d"),
        (AlreadyTaken(events=["purchase"]), "a d"),
        (AlreadyTaken(after_days=30), "a c"),
        (AlreadyTaken(after_days=41), "a c d"),
        (AlreadyTaken(unless="category = 'milk'"), "c d"),
        (AlreadyTaken(("purchase",), 30, "category = 'lamp'"), "a"),
        (AlreadyTaken(("purchase",), 30, "category = 'milk'"), ""),
    ],
)
def test_what_was_taken_does_not_come_again_but_for_exceptions(step: AlreadyTaken, expected: str) -> None:
    assert removed(step, BOUGHT, SEEN, LONG_AGO, ("gone", "purchase", NOW)) == expected.split()
    assert removed(step) == []
    assert from_description(described([step])) == (step,)


def test_mistakes() -> None:
    for wrong, message in (
        ({"events": "purchase"}, "events must be a list"),
        ({"after_days": 0}, "after_days must be above 0"),
        ({"unless": "a >; 1"}, "can't be read"),
    ):
        with pytest.raises(RequestError, match=message):
            from_description([{"name": "already-taken", **wrong}])
    with pytest.raises(RequestError, match="no column `colour`"):
        AlreadyTaken(unless="colour = 1").check(listing())
