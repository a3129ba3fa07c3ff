"""What a user asks for now, as a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from listings import StatedListing

from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.registry import described, from_description
from tailrank.policy.wishes import Wish, Wishes

COLUMNS: dict[str, list[object]] = {
    "price": [10, 20, None, 30.5],
    "brand": ["Acme", "Bolt", None, "Acme"],
    "genres": [["Drama", "War"], ["Comedy"], [], None],
}
SCORED = Scored(
    np.zeros(4, np.float32),
    np.array([1, 0.5, 0.25, 0], np.float32),
    listing=StatedListing(list("abcd"), np.zeros(4, bool), None, COLUMNS),
)


def left(*wishes: Wish) -> str:
    found = Wishes(wishes).apply(SCORED)
    return "".join(np.array(list("abcd"))[found.left])


@pytest.mark.parametrize(
    ("wish", "stay"),
    [
        (Wish("price", below=20), "a"),
        (Wish("price", most=20), "ab"),
        (Wish("price", above=20), "d"),
        (Wish("price", least=20, below=30.5), "b"),
        (Wish("brand", ["Acme"]), "ad"),
        (Wish("brand", ["Acme"], unmet=True), "bc"),
        (Wish("genres", ["War", "Comedy"]), "ab"),
        (Wish("genres", ["War"], unmet=True), "bcd"),
        (Wish("item_id", ["b"], unmet=True), "acd"),
        (Wish("item_id", ["b", "c"]), "bc"),
    ],
    ids=lambda each: each.words if isinstance(each, Wish) else each,
)
def test_what_is_not_wanted_leaves_and_what_says_nothing_meets_nothing(wish: Wish, stay: str) -> None:
    assert left(wish) == stay


def test_reasons_name_the_wish() -> None:
    found = Wishes([Wish("price", below=20), Wish("brand", ["Acme"], unmet=True)]).apply(SCORED)
    assert list(found.removed) == ["wish price below 20", "wish brand not Acme"]


def test_what_is_preferred_is_raised_and_noted() -> None:
    found = Wishes([Wish("brand", ["Acme"], by=1.5), Wish("genres", ["War"], by=-1)], rarity=2).apply(SCORED)
    np.testing.assert_allclose(found.scores, [2.5, 1.0, 0.5, 1.5])
    np.testing.assert_array_equal(found.contributions["wishes"], found.scores)
    assert not found.removed


def test_a_request_may_describe_them() -> None:
    step = {"name": "wishes", "wishes": [{"column": "price", "below": 20}], "rarity": 1}
    [made] = from_description([step])
    assert made == Wishes((Wish("price", below=20),), 1)
    assert from_description(described([made])) == (made,)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"column": "price"}, "a wish needs `values`, or a limit"),
        ({"column": "price", "belwo": 3}, "no field `belwo`: did you mean `below`"),
        ({"below": 3}, "needs the field `column`"),
        ({"column": "price", "above": 5, "below": 3}, "no number is above 5 and below 3"),
        ({"column": "price", "values": "cheap"}, "values must be a list"),
        ({"column": "price", "values": [None]}, "values must be text or numbers"),
        ({"column": "price", "below": float("nan")}, "below must be finite"),
        ({"column": "price", "below": 3, "by": 99}, "by must be at least -10 and at most 10"),
        ("cheap", "described by its fields"),
    ],
)
def test_mistakes_are_named(wish: Any, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        Wishes([wish])


def test_a_limit_of_texts_is_refused() -> None:
    with pytest.raises(
        RequestError, match="`brand` holds texts, no numbers: give `values` in place of below"
    ):
        left(Wish("brand", below=20))
