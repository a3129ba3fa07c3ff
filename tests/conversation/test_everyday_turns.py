"""Popular and cheapest ones, free ones, more to spend, several items: what users of a shop say every day."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from turn_helpers import CARS, MEDIAN, NOW, changes, read, spoken

from tailrank.api_conversation import Change, Deed
from tailrank.conversation.reader import TurnReader
from tailrank.conversation.said import after, showing, told
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.policy.wishes import Wish
from tailrank.ranking.catalogue import Catalogue


@pytest.fixture(scope="module")
def reader() -> TurnReader:
    return TurnReader.from_catalogue(CARS)


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder.load()


@pytest.mark.parametrize(
    ("said", "do"),
    [
        ("something popular", "better-known"),
        ("a popular one", "better-known"),
        ("not the popular ones", "lesser-known"),
    ],
)
def test_what_is_popular_is_not_what_few_chose(
    said: str, do: Deed, reader: TurnReader, encoder: OnnxEncoder
) -> None:
    assert changes(read(said, reader, encoder)) == [Change(do)]


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("not the cheapest", Change("range", "price", least=MEDIAN)),
        ("nothing too cheap", Change("range", "price", above=MEDIAN)),
        ("the priciest one", Change("range", "price", above=MEDIAN)),
        ("better price please", Change("range", "price", below=MEDIAN)),
        ("the most seats", Change("range", "seats", above=5.5)),
        ("free ones", Change("range", "price", most=0)),
        ("is there something free?", Change("range", "price", most=0)),
        ("no free ones", Change("range", "price", above=0)),
    ],
)
def test_extremes_are_less_or_more_than_what_is_shown(
    said: str, change: Change, reader: TurnReader, encoder: OnnxEncoder
) -> None:
    assert changes(read(said, reader, encoder)) == [change]


def test_the_cheapest_of_a_kind(reader: TurnReader, encoder: OnnxEncoder) -> None:
    assert changes(read("the cheapest van", reader, encoder)) == [
        Change("range", "price", below=MEDIAN),
        Change("only", "category", ["Van"]),
    ]


@pytest.mark.parametrize("said", ["sugar free ones", "free delivery", "I'm free tonight", "how cheap is it?"])
def test_what_only_sounds_like_a_price_bounds_nothing(
    said: str, reader: TurnReader, encoder: OnnxEncoder
) -> None:
    assert changes(read(said, reader, encoder)) == []


def test_a_value_called_free_is_meant_by_free(encoder: OnnxEncoder) -> None:
    items = pl.DataFrame(
        {"item_id": [*"abcd"], "price": [0, 1, 2, 3], "plan": ["Free", "Free", "Paid", "Paid"]}
    )
    catalogue = Catalogue.from_items(items, np.zeros(4, np.int64), (), "timestamp")
    reading = TurnReader.from_catalogue(catalogue).read("only free ones", NOW, catalogue, encoder)
    assert changes(reading) == [Change("only", "plan", ["Free"])]


@pytest.mark.parametrize("said", ["I can spend more", "my budget is bigger"])
def test_who_can_spend_more_is_done_with_his_limit(
    said: str, reader: TurnReader, encoder: OnnxEncoder
) -> None:
    """What is shown keeps to the limit: without it, the list would go on between its median and the limit."""
    limited = showing(spoken(reader, encoder, "under 20000 dollars"), ["1", "6", "12"])
    reading = read(said, reader, encoder, limited)
    assert [each.means for each in reading.understood] == ["price above 20000, the limit until now"]
    wished = told(after(limited, reading))
    assert wished.wishes is not None
    assert wished.wishes.wishes == (Wish("price", above=20_000),)


def test_dearer_ones_keep_to_the_limit(reader: TurnReader, encoder: OnnxEncoder) -> None:
    limited = showing(spoken(reader, encoder, "under 20000 dollars"), ["1", "6", "12"])
    wished = told(after(limited, read("these look too cheap", reader, encoder, limited)))
    assert wished.wishes is not None
    assert wished.wishes.wishes == (Wish("price", below=20_000), Wish("price", above=15_700))


def test_who_cannot_spend_more_is_not_shown_dearer_ones(reader: TurnReader, encoder: OnnxEncoder) -> None:
    assert changes(read("I can't spend more", reader, encoder)) == [Change("range", "price", below=MEDIAN)]
    assert changes(read("I don't mind paying extra", reader, encoder)) == []


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("only the second and third", [Change("only", "item_id", ["2", "3"])]),
        ("keep only number 2, 3 and 5", [Change("only", "item_id", ["2", "3", "5"])]),
        ("nothing but the second one", [Change("only", "item_id", ["2"])]),
        ("nothing but vans", [Change("only", "category", ["Van"])]),
        ("not the second and third", [Change("drop", item="2"), Change("drop", item="3")]),
        ("without the first, second and third", [Change("drop", item=each) for each in "123"]),
        ("like the second and fourth", [Change("like", item="2"), Change("like", item="4")]),
        ("I know the third one by heart, but drop it", [Change("drop", item="3")]),
        ("seats for 5, 6 or 7", []),
    ],
)
def test_several_items_are_kept_dropped_or_liked(
    said: str, changed: list[Change], reader: TurnReader, encoder: OnnxEncoder
) -> None:
    assert changes(read(said, reader, encoder))[-len(changed) :] == changed


def test_only_some_items_are_left_also_of_those_dropped_before(
    reader: TurnReader, encoder: OnnxEncoder
) -> None:
    wished = told(spoken(reader, encoder, "not the second one", "only the second and third"))
    assert wished.wishes is not None
    assert wished.wishes.wishes == (Wish("item_id", ["2", "3"]),)
