"""What follows from the entries of a review, in whatever order machines write them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tailrank.screening.holding import hold
from tailrank.screening.reviews import Entry, Review, Reviews, after
from tailrank.screening.screen import Judgement
from tailrank.state.base import ItemChange, StateError
from tailrank.state.open import open_state

HELD = {"": True}


def screened(text: str, is_held: bool = True, time: float = 1) -> Entry:
    return Entry("pills", "screened", "screen", f"of {text}", time, text, 0.9, {"": is_held})


def decided(verdict: Any, text: str, time: float = 2, market: str = "") -> Entry:
    return Entry("pills", verdict, "grace", f"{verdict} {text}", time, text, market=market)


def shown(review: Review, *markets: str) -> list[bool]:
    """Whether the item may be in lists, by market; the last one says for any other."""
    return [not review.reasons.get(market, review.reasons.get("", "")) for market in (*markets, "other")]


def follow(*entries: Entry) -> Review:
    review = None
    for entry in entries:
        review = after(review, entry)
    assert review is not None
    return review


def test_only_what_is_held_comes_under_review() -> None:
    assert after(None, screened("a", is_held=False)) is None
    held = follow(screened("a"))
    assert (held.status, held.why, held.since, held.text) == ("held", "of a", 1, "a")


def test_a_person_decides_and_the_log_keeps_all() -> None:
    entries = screened("a"), decided("reject", "a", 2), decided("approve", "a", 3)
    review = follow(*entries)
    assert (review.status, review.why, review.since) == ("approved", "approve a", 3)
    assert review.entries == entries
    assert follow(*entries[:2]).why == "reject a"


def test_an_approval_counts_for_the_text_that_was_read() -> None:
    review = follow(screened("a"), screened("b"), decided("approve", "a"))
    assert (review.status, review.why, len(review.entries)) == ("held", "of b", 3)


def test_another_text_of_an_approved_item_is_screened_again() -> None:
    approved = screened("a"), decided("approve", "a")
    assert follow(*approved, screened("a", time=9)).status == "approved"
    assert follow(*approved, screened("b", is_held=False)).status == "approved"
    assert follow(*approved, screened("b", time=9)).status == "held"
    assert follow(*approved, screened("b", time=9)).since == 9


def test_a_held_or_rejected_item_waits_for_a_person_whatever_is_put() -> None:
    held = follow(screened("a"), screened("b", is_held=False))
    assert (held.status, held.why, held.reasons) == ("held", "of a", {"": "held for review: of a"})
    rejected = follow(screened("a"), decided("reject", "a"), screened("b", is_held=False))
    assert (rejected.status, rejected.text, rejected.why) == ("rejected", "b", "reject a")
    assert follow(*rejected.entries, decided("approve", "b")).status == "approved"


def test_a_verdict_for_one_market_counts_there_and_the_rest_waits() -> None:
    entries = screened("a"), decided("approve", "a", 2, "de"), decided("reject", "a", 3, "fr")
    review = follow(*entries)
    assert (review.status, shown(review, "de", "fr")) == ("held", [True, False, False])
    assert review.reasons["fr"] == "rejected: reject a"
    # Another text has to be approved anew; the rejection stays, also if the item is approved for all.
    assert shown(follow(*entries, screened("b")), "de", "fr") == [False, False, False]
    approved = follow(*entries, decided("approve", "a", 4))
    assert (approved.status, shown(approved, "de", "fr")) == ("approved", [True, False, True])
    assert shown(follow(*approved.entries, decided("approve", "a", 5, "fr")), "fr") == [True, True]
    assert shown(follow(*entries, decided("reject", "a", 4)), "de", "fr") == [False, False, False]


def test_what_is_held_in_one_market_waits_for_no_other() -> None:
    held = replace(screened("a"), markets={"": False, "de": True, "fr": False})
    assert shown(follow(held), "de", "fr") == [False, True, True]
    for verdict, is_shown in (("approve", True), ("reject", False)):
        review = follow(held, decided(verdict, "a", 2, "de"))
        assert (review.status, review.since, shown(review, "de")) == ("approved", 2, [is_shown, True])
    late = follow(held, decided("approve", "b", 2, "de"))
    assert (late.status, shown(late, "de")) == ("held", [False, True])
    both = follow(held, replace(screened("b"), markets={"": False, "de": False, "fr": True}))
    assert shown(both, "de", "fr") == [False, False, True]


def test_people_decide_on_items_that_no_screen_read() -> None:
    assert follow(decided("reject", "")).status == "rejected"
    assert follow(decided("approve", ""), screened("a")).status == "held"


@given(st.lists(st.sampled_from("ab"), max_size=8), st.data())
def test_what_was_rejected_last_is_blocked_unless_its_text_was_approved(texts: list[str], data: Any) -> None:
    kinds = st.sampled_from(["screened", "clean", "approve", "reject"])
    entries = []
    for time, text in enumerate(texts):
        kind = data.draw(kinds)
        how = (text, kind == "screened", time) if kind in ("screened", "clean") else (kind, text, time)
        entries.append(screened(*how) if kind in ("screened", "clean") else decided(*how))
    review, is_rejected, text = None, False, ""
    for entry in entries:
        review = after(review, entry)
        text = entry.text if entry.verdict == "screened" and review is not None else text
        if entry.verdict == "reject":
            is_rejected = True
        elif entry.verdict == "approve" and entry.text == text:
            is_rejected = False
    assert (review is not None and review.status == "rejected") == is_rejected


def test_the_step_blocks_what_isnt_approved() -> None:
    rejected = Entry("fake", "reject", "grace", "stolen", 1)
    other = Entry("tea", "approve", "grace", "harmless", 1)
    entries = [entry.as_change() for entry in (screened("a"), rejected, other)]
    reviews = Reviews().with_entries(entries)
    assert reviews.step.blocked == {
        "pills": {"": "held for review: of a"},
        "fake": {"": "rejected: stolen"},
    }
    assert reviews.counts == {"held": 1, "rejected": 1, "approved": 1}
    assert reviews.with_entries(entries) == reviews
    with pytest.raises(StateError, match="'pills' can't be read"):
        Reviews().with_entries([ItemChange("pills", None, {}, 1, b"{}")])


def test_items_of_a_model_are_held_once_and_not_again_once_approved(tmp_path: Path) -> None:
    location, found = str(tmp_path / "state"), {"pills": Judgement("a", HELD, "of a", 0.9)}
    clean = {"tea": Judgement("t", {"": False}, "", 0.1)}

    async def approve() -> None:
        state = open_state(location)
        await state.change_items([decided("approve", "a").as_change()])
        await state.close()

    assert asyncio.run(hold(location, found | clean)) == 1
    assert asyncio.run(hold(location, found)) == 0
    asyncio.run(approve())
    assert asyncio.run(hold(location, found)) == 0
    assert asyncio.run(hold(location, {"pills": Judgement("b", HELD, "of b", 0.9)})) == 1
