"""What became of items that a screen held: entries that are never changed, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, Self, TypeAlias

import msgspec
from msgspec import Struct

from tailrank.policy.reviewed import Reasons, Reviewed
from tailrank.screening.deny_list import EVERYWHERE
from tailrank.screening.screen import Judgement
from tailrank.state.base import ItemChange, StateError

Status: TypeAlias = Literal["held", "approved", "rejected"]
SCREEN: Final = "screen"
"""Who judged, if that wasn't a person."""


class Entry(Struct, frozen=True, omit_defaults=True):
    """One line of an item's audit log.

    Attributes
    ----------
    item_id
        Whose it is.
    verdict
        `screened` is the screen's word on a text that was put, the others are a person's.
    by, why
        Who says so, and the reason.
    time
        Seconds since 1970.
    text
        Sha256 of the text that it is about; empty if no screen has read the item.
    score
        Of the classifier; None without one.
    markets
        Where the screen holds the text, as in `Judgement`.
    market
        Where a person's verdict counts; empty if that is everywhere.
    """

    item_id: str
    verdict: Literal["screened", "approve", "reject"]
    by: str
    why: str
    time: float
    text: str = ""
    score: float | None = None
    markets: dict[str, bool] = {}
    market: str = ""

    @classmethod
    def of_screen(cls, item_id: str, found: Judgement, time: float) -> Self:
        """Note what a screen found."""
        return cls(item_id, "screened", SCREEN, found.why, time, found.text, found.score, found.markets)

    @property
    def is_held(self) -> bool:
        """Whether the screen holds the text in any market."""
        return any(self.markets.values())

    def as_change(self) -> ItemChange:
        """Make what a state stores."""
        return ItemChange(self.item_id, None, {}, self.time, msgspec.json.encode(self))


@dataclass(frozen=True)
class Review:
    """Where an item stands.

    Attributes
    ----------
    status
        Held items are in no list where they are held, rejected ones in none at all, but for `in_market`.
    since
        When it came to that, in seconds since 1970.
    judged
        The screen's latest word; None if it never had one.
    decided
        A person's; None if nobody decided yet.
    held
        Where it is held, as in `Judgement`, by any text since it came to that.
    in_market
        Verdicts for one market, which count there in place of all this.
    entries
        The audit log, oldest first.
    """

    status: Status
    since: float
    judged: Entry | None = None
    decided: Entry | None = None
    held: Mapping[str, bool] = field(default_factory=dict)
    in_market: Mapping[str, Entry] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    @property
    def text(self) -> str:
        """Sha256 of the text that the screen read last; empty if there is none."""
        return self.judged.text if self.judged is not None else ""

    @property
    def why(self) -> str:
        """Why it is held or, if it isn't, what a person gave as the reason."""
        if self.status == "held":
            return next(entry.why for entry in reversed(self.entries) if entry.is_held)
        return "" if self.decided is None else self.decided.why

    @property
    def reasons(self) -> Reasons:
        """Why it is in no list, by market."""
        everywhere = {EVERYWHERE: f"rejected: {self.why}"} if self.status == "rejected" else {}
        held = f"held for review: {self.why}" if self.status == "held" else ""
        own = {
            market: f"rejected: {entry.why}" * (entry.verdict == "reject")
            for market, entry in self.in_market.items()
        }
        return everywhere | {market: held * is_held for market, is_held in self.held.items()} | own

    @property
    def markets(self) -> list[str]:
        """Markets that it was screened or decided for by their names."""
        return [market for market in {**self.held, **self.in_market} if market]

    @property
    def waits(self) -> bool:
        """Whether it is held anywhere where nobody decided."""
        return any(is_held and market not in self.in_market for market, is_held in self.held.items())


def after(review: Review | None, entry: Entry) -> Review | None:
    """Say where an item stands after one more entry; None if nothing is to be said of it.

    Another text of an approved item is held if the screen says so. A held or rejected item stays what it is,
    whatever is put, until a person decides. An approval counts for the text that the screen read last, so
    that one that came meanwhile isn't approved with it. A rejection in one market stays until the item is
    approved there.
    """
    if review is None and entry.verdict == "screened" and not entry.is_held:
        return None
    if review is not None and entry in review.entries:  # a state may tell of everything anew
        return review
    before = review or Review("approved", entry.time)
    found = replace(before, entries=(*before.entries, entry))
    if entry.verdict == "screened":
        found = _screened(found, entry)
    elif entry.verdict == "reject" or entry.text == before.text:
        found = _decided(found, entry)
    return found if found.status == before.status else replace(found, since=entry.time)


def _screened(review: Review, entry: Entry) -> Review:
    own = {
        market: each
        for market, each in review.in_market.items()
        if each.verdict == "reject" or each.text == entry.text
    }
    found = replace(review, judged=entry, in_market=own)
    if review.status == "held":
        return replace(found, held=_either(review.held, entry.markets))
    if review.status == "approved" and entry.text != review.text:
        found = replace(found, held=entry.markets)
        return replace(found, status="held") if found.waits else replace(found, held={})
    return found


def _decided(review: Review, entry: Entry) -> Review:
    if entry.market:
        found = replace(review, in_market={**review.in_market, entry.market: entry})
        is_done = found.status == "held" and not found.waits
        return replace(found, status="approved", decided=entry, held={}) if is_done else found
    rejected = {market: each for market, each in review.in_market.items() if each.verdict == "reject"}
    status: Status = "approved" if entry.verdict == "approve" else "rejected"
    return replace(review, status=status, decided=entry, held={}, in_market=rejected)


def _either(a: Mapping[str, bool], b: Mapping[str, bool]) -> dict[str, bool]:
    """Say where either holds a text."""
    return {
        market: any(each.get(market, each.get(EVERYWHERE, False)) for each in (a, b)) for market in {**a, **b}
    }


@dataclass(frozen=True)
class Reviews:
    """Where all items stand that were ever held, approved or rejected, by id."""

    by_id: Mapping[str, Review] = field(default_factory=dict)

    def with_entries(self, changes: Iterable[ItemChange]) -> Self:
        """Add what a state stored, in its order.

        Raises
        ------
        StateError
            If something else was stored.
        """
        found = dict(self.by_id)
        for change in changes:
            try:
                entry = msgspec.json.decode(change.review or b"", type=Entry)
            except msgspec.DecodeError as why:
                raise StateError(f"the review of item {change.item_id!r} can't be read ({why})") from None
            if (review := after(found.get(entry.item_id), entry)) is not None:
                found[entry.item_id] = review
        return type(self)(found)

    def news(self, item_id: str, found: Judgement) -> bool:
        """Whether what a screen found has to be noted."""
        review = self.by_id.get(item_id)
        return found.is_held if review is None else found.text != review.text

    @cached_property
    def step(self) -> Reviewed:
        """What keeps items out of lists."""
        reasons = {item: review.reasons for item, review in self.by_id.items()}
        return Reviewed({item: each for item, each in reasons.items() if any(each.values())})

    @property
    def counts(self) -> Counter[str]:
        """Count the items of each status."""
        return Counter(review.status for review in self.by_id.values())
