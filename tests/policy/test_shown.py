"""What was shown time and again and left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.registry import described, from_description
from tailrank.policy.shown import AlreadyShown
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.listing import CandidateListing
from tailrank.ranking.request import Request

IDS = ["milk", "bread", "lamp", "desk"]
ITEMS = pl.DataFrame({"item_id": IDS, "category": [["food"], ["food", "new"], ["home"], None]})
CATALOGUE = Catalogue.from_items(ITEMS, np.arange(4), ("click", "purchase"), "timestamp")
NOW, HOUR = 1_800_000_000.0, 3_600.0


def applied(
    step: AlreadyShown, shown: Mapping[str, Sequence[float]], *events: tuple[str, str, float]
) -> Scored:
    history = History(*map(list, zip(*events, strict=True))) if events else History([], [], [])
    codes = CATALOGUE.codes_of(IDS)
    listing = CandidateListing(IDS, codes, history, NOW, CATALOGUE, (), shown=shown)
    zeros = np.zeros(4, np.float32)
    return step.apply(Scored(zeros, zeros, listing=listing))


def removed(*given: object) -> list[str]:
    left = applied(*given).left.tolist()  # type: ignore[arg-type]
    return [name for name, stays in zip(IDS, left, strict=True) if not stays]


def hours_ago(*hours: float) -> list[float]:
    return [NOW - HOUR * each for each in hours]


SHOWN = {"milk": hours_ago(30, 3, 2, 1), "lamp": hours_ago(30, 2, 1), "gone": hours_ago(3, 2, 1)}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (AlreadyShown(), "milk"),
        (AlreadyShown(times=2), "milk lamp"),
        (AlreadyShown(times=4), ""),
        (AlreadyShown(times=4, hours=31), "milk"),
        (AlreadyShown(times=2, hours=1.5), ""),
    ],
)
def test_what_was_shown_too_often_lately_goes(step: AlreadyShown, expected: str) -> None:
    found = applied(step, SHOWN)
    assert removed(step, SHOWN) == expected.split()
    assert set(found.removed) == ({"already shown"} if expected else set())
    assert removed(step, {}) == []
    assert from_description(described([step])) == (step,)


def test_showings_before_the_latest_event_were_not_in_vain() -> None:
    for at, expected in (
        (NOW - 3.5 * HOUR, ["milk"]),
        (NOW - 2.5 * HOUR, []),
        (NOW - 2 * HOUR, []),
        (-np.inf, []),
    ):
        assert removed(AlreadyShown(), SHOWN, ("milk", "click", at), ("desk", "click", NOW)) == expected


def test_each_showing_more_costs_the_penalty() -> None:
    step = AlreadyShown(times=2, penalty=0.5)
    found = applied(step, SHOWN)
    assert found.scores.tolist() == [-1.0, 0.0, -0.5, 0.0]
    assert found.contributions["already-shown"].tolist() == found.scores.tolist()
    assert [IDS[at] for at in found.order] == ["bread", "desk", "lamp", "milk"]


EATEN = ("bread", "purchase", NOW - 50 * HOUR), ("bread", "purchase", NOW - 40 * HOUR)


@pytest.mark.parametrize(
    ("events", "counted", "expected"),
    [
        ([], (), "milk lamp"),
        (EATEN[:1], (), "milk lamp"),  # taken once
        (EATEN, (), "lamp"),
        (EATEN, ("purchase",), "lamp"),
        (EATEN, ("click",), "milk lamp"),
        ([EATEN[0], ("milk", "purchase", NOW - 40 * HOUR)], (), "milk lamp"),  # two items, once each
        ([*EATEN, ("desk", "click", NOW), ("desk", "click", NOW)], (), "lamp"),
    ],
)
def test_what_the_user_takes_repeatedly_may_come_again(
    events: Sequence[tuple[str, str, float]], counted: tuple[str, ...], expected: str
) -> None:
    step = AlreadyShown(times=2, repeated="category", events=counted)
    assert removed(step, SHOWN, *events) == expected.split()


def test_mistakes() -> None:
    for wrong, message in (
        ({"times": 0}, "times must be at least 1"),
        ({"times": 31}, "at most 30"),
        ({"hours": 169}, "hours must be above 0 and at most 168"),
        ({"penalty": 0}, "penalty must be above 0"),
        ({"events": "purchase"}, "events must be a list"),
    ):
        with pytest.raises(RequestError, match=message):
            from_description([{"name": "already-shown", **wrong}])
    listing = CandidateListing(IDS, CATALOGUE.codes_of(IDS), History([], [], []), NOW, CATALOGUE, ())
    with pytest.raises(RequestError, match="`colour`"):
        AlreadyShown(repeated="colour").check(listing)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"milk": [1_800_000_000_000]}, "shown: 'milk': timestamp .* not milliseconds"),
        ({"milk": 3}, "of 'milk', give a list of times, not 3"),
        (["milk"], "shown must be a mapping"),
    ],
)
def test_times_that_make_no_sense(shown: dict[str, list[float]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Request(candidates=IDS, shown=shown)
