"""What turns of a user mean, on the cars of the benchmark."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from bench.conversation import FOLDER, held_out, measured, shares
from turn_helpers import CARS, NOW, SHOWN, changes, read, spoken

from tailrank.api_conversation import Change, Conversation, Reading, Turn, Understood
from tailrank.conversation import acts
from tailrank.conversation.numbers import quantities
from tailrank.conversation.reader import TurnReader
from tailrank.conversation.said import after, told
from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.policy.wishes import Wish
from tailrank.ranking.catalogue import Catalogue


@pytest.fixture(scope="module")
def reader() -> TurnReader:
    return TurnReader.from_catalogue(CARS)


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return OnnxEncoder.load()


def test_a_turn_that_likes_and_bounds(reader: TurnReader, encoder: OnnxEncoder) -> None:
    reading = read("like the second one but cheaper", reader, encoder)
    assert changes(reading) == [Change("like", item="2"), Change("range", "price", below=33_900)]
    assert [each.means for each in reading.understood] == [
        "more like “Acura Legend”",
        "price below 33900, “Acura Legend”",
    ]
    assert reading.not_understood == []


def test_cheaper_alone_means_than_the_median_of_what_is_shown(
    reader: TurnReader, encoder: OnnxEncoder
) -> None:
    prices = CARS.items["price"].head(10).to_numpy()
    assert changes(read("something cheaper", reader, encoder)) == [
        Change("range", "price", below=float(np.median(prices)))
    ]


def test_what_is_not_understood_is_said(reader: TurnReader, encoder: OnnxEncoder) -> None:
    reading = read("no vans, and who won the match?", reader, encoder)
    assert changes(reading) == [Change("without", "category", ["Van"])]
    assert reading.not_understood == ["and who won the match"]
    nothing = read("not the 12th one", reader, encoder)
    assert (nothing.understood, nothing.not_understood) == ([], ["not the 12th one"])


def test_what_a_catalogue_has_no_column_for_is_not_understood(
    reader: TurnReader, encoder: OnnxEncoder
) -> None:
    reading = read("from the 80s", reader, encoder)  # the cars have no year
    assert not [change for change in changes(reading) if change.column == "year"]
    assert not changes(read("something newer", reader, encoder))


def test_without_a_list_nothing_is_cheaper(reader: TurnReader, encoder: OnnxEncoder) -> None:
    reading = read("something cheaper", reader, encoder, Conversation())
    assert (reading.understood, reading.not_understood) == ([], ["something cheaper"])


def test_held_out_turns_are_understood(encoder: OnnxEncoder) -> None:
    """The page of the docs says how many; here a bound that a change for the worse falls below."""
    turns = [turn for turn in held_out(FOLDER / "held-out.txt") if turn.catalogue == "cars"]
    rows = measured(turns, {"cars": CARS}, encoder)
    assert shares(rows)["right"] >= 0.9
    assert shares([row for row in rows if not row["asks"]])["right"] >= 0.9


def test_the_weights_are_those_of_the_phrases() -> None:
    assert acts.Acts.load().phrases_sha256 == acts.phrases_sha256(), "run python tools/acts.py"


def test_another_encoder_is_refused(reader: TurnReader, small_bert: Path) -> None:
    other = TextEncoder.load(str(small_bert))
    with pytest.raises(EncoderError, match="turns are read with the encoder 'default'"):
        reader.read("no vans", NOW, CARS, other)


def test_a_turn_of_many_words_is_a_conversation_that_may_be_sent_back(
    reader: TurnReader, encoder: OnnxEncoder
) -> None:
    brands = CARS.items["brand"].unique().to_list()
    reading = read(f"none of {', '.join(brands)}", reader, encoder)
    conversation = after(NOW, reading)
    assert msgspec.convert(msgspec.to_builtins(conversation), Conversation) == conversation
    [change] = changes(reading)
    assert (change.do, change.values) == ("without", brands)


def test_numbers_and_what_bounds_them() -> None:
    said = "between $18,000 and $24,000 or 12k or more, made after 1994, 200 at most"
    assert [found.limits for found in quantities(said)] == [
        {"least": 18_000, "most": 24_000},
        {"least": 12_000},
        {"above": 1994},
        {"least": 200, "most": 200},
    ]


def test_later_turns_prevail(reader: TurnReader, encoder: OnnxEncoder) -> None:
    wished = told(
        spoken(reader, encoder, "only Volvo", "under 30000 dollars", "no, only Saab", "under 25000 dollars")
    )
    assert wished.wishes is not None
    assert wished.wishes.wishes == (Wish("brand", ["Saab"]), Wish("price", below=25_000))


def test_nothing_is_taken_back_where_nothing_was_said(reader: TurnReader, encoder: OnnxEncoder) -> None:
    [understood] = read("undo", reader, encoder, NOW).understood
    assert understood.means == "there is no change to take back"


def test_undo_takes_the_last_turn_back_and_restart_all(reader: TurnReader, encoder: OnnxEncoder) -> None:
    one, two = (spoken(reader, encoder, *texts) for texts in (["no vans"], ["no vans", "for my mother"]))
    assert told(two).texts == ["for my mother"]
    assert spoken(reader, encoder, "no vans", "for my mother", "undo") == one
    assert spoken(reader, encoder, "no vans", "for my mother", "start over") == NOW


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ("I don't want to spend more than 20000 dollars", {"most": 20_000}),
        ("no cars over 20000", {"most": 20_000}),
        ("don't want anything more expensive than the third one", {"most": 29_100}),
        ("nothing cheaper than the second one", {"least": 33_900}),
        ("isn't there something under 12000?", {"below": 12_000}),
        ("from 10k to 12k or 14k or less", {"most": 14_000}),
    ],
)
def test_a_negated_bound_bounds_the_other_side(
    said: str, limits: dict[str, float], reader: TurnReader, encoder: OnnxEncoder
) -> None:
    assert changes(read(said, reader, encoder))[-1] == Change("range", "price", **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        "nothing with 7 seats",
        "not the first three",
        "I don't mind paying over 20000",
        "it doesn't have to be under 20000",
        "not $20000",
        "under 20k or over 30k",
        f"more than {'9' * 350} seats",
    ],
)
def test_what_no_change_can_say_is_not_understood(
    said: str, reader: TurnReader, encoder: OnnxEncoder
) -> None:
    reading = read(said, reader, encoder)
    assert (reading.understood, reading.not_understood) == ([], [said.rstrip("?")])


def test_an_item_that_went_is_dropped_but_not_liked(reader: TurnReader, encoder: OnnxEncoder) -> None:
    left = CARS.without_items([SHOWN[0]])
    liked = reader.read("like the first one", NOW, left, encoder)
    assert (liked.understood, liked.not_understood) == ([], ["like the first one"])
    assert changes(reader.read("not the first one", NOW, left, encoder)) == [Change("drop", item=SHOWN[0])]


def test_two_ranges_of_one_part_are_joined(reader: TurnReader, encoder: OnnxEncoder) -> None:
    reading = read("between 10k and 12k or between 14k and 16k", reader, encoder)
    assert changes(reading) == [Change("range", "price", least=10_000, most=16_000)]


def test_the_next_turn_can_bring_a_turn_of_many_changes(reader: TurnReader, encoder: OnnxEncoder) -> None:
    brands = CARS.items["brand"].unique(maintain_order=True).head(25)
    reading = read(", ".join(f"no {brand}" for brand in brands), reader, encoder)
    assert len(changes(reading)) == 20
    assert reading.not_understood == [f"no {brand}" for brand in brands[20:]]
    conversation = after(NOW, reading)
    assert msgspec.json.decode(msgspec.json.encode(conversation), type=Conversation) == conversation


def test_the_oldest_turns_go_if_there_are_too_many_changes() -> None:
    turns = [Turn("no", [Change("drop", item=f"{at}-{n}") for n in range(20)]) for at in range(10)]
    change = Change("drop", item="it")
    one_more = Reading("not it", [Understood("not it", "without it", change)], [])
    assert after(Conversation(turns), one_more).turns == [*turns[1:], Turn("not it", [change])]
    with pytest.raises(ValueError, match="a conversation holds at most 200 changes, not 220"):
        Conversation([*turns, turns[0]])


def test_how_well_known_items_should_be_is_said_once() -> None:
    repeated = Turn("obscure ones, hidden gems", [Change("lesser-known"), Change("lesser-known")] * 5)
    once = told(Conversation([Turn("obscure ones", [Change("lesser-known")])]))
    assert told(Conversation([repeated])) == once


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), None])
def test_columns_that_say_no_number_bound_nothing(odd: float | None, encoder: OnnxEncoder) -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "price": pl.Series([odd, odd], dtype=pl.Float64)})
    catalogue = Catalogue.from_items(items, np.zeros(2, np.int64), (), "timestamp")
    shown = Conversation(shown=["a", "b"])
    reading = TurnReader.from_catalogue(catalogue).read("something cheaper", shown, catalogue, encoder)
    assert (reading.understood, reading.not_understood) == ([], ["something cheaper"])
