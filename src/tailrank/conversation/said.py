"""What a conversation asks of the next ranking: wishes, and events that follow the history."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from tailrank.api_conversation import (
    MAX_CHANGES_IN_ALL,
    MAX_SHOWN,
    MAX_TURNS,
    Change,
    Conversation,
    Reading,
    Turn,
)
from tailrank.data.columns import Columns
from tailrank.data.histories import History
from tailrank.policy.base import Policy
from tailrank.policy.wishes import Wish, Wishes
from tailrank.ranking.request import Request
from tailrank.ranking.text_events import TextEvent

PREFERRED: Final = 1.0
"""Log-odds for what the user would like more of; as many less for what he would like less of."""

RARE: Final = 2.0
"""Log-odds for an item that nobody chose, if lesser-known ones are wanted."""

SHOWN: Final = 10
"""Ranks that count as seen, of lists whose length isn't said."""


class Told(NamedTuple):
    """What a conversation changes.

    Attributes
    ----------
    wishes
        A step of policy; None if there are none.
    liked
        Item ids that follow the history, in order.
    texts
        What the user looks for, in order.
    """

    wishes: Wishes | None
    liked: list[str]
    texts: list[str]


def after(conversation: Conversation, reading: Reading) -> Conversation:
    """Give the conversation after a turn; as it was if nothing was understood.

    A turn that takes something back isn't kept: it takes the turn before away, or all of them. The oldest
    go if there are too many, or too many changes.
    """
    turns = list(conversation.turns)
    for each in reading.understood:
        if each.command == "restart":
            turns.clear()
        elif each.command == "undo":
            del turns[-1:]
    changes = [each.change for each in reading.understood if each.change is not None]
    if changes:
        turns.append(Turn(reading.text, changes))
    turns = turns[-MAX_TURNS:]
    while sum(len(turn.changes) for turn in turns) > MAX_CHANGES_IN_ALL:
        del turns[0]
    return msgspec.structs.replace(conversation, turns=turns)


def showing(conversation: Conversation, items: Sequence[str], k: int | None = None) -> Conversation:
    """Take note of what the user sees now: the first items of a ranking; nothing new if there are none."""
    shown = list(items[: min(k or SHOWN, MAX_SHOWN)])
    return msgspec.structs.replace(conversation, shown=shown) if shown else conversation


def told(conversation: Conversation) -> Told:
    """Put together what all turns ask for: later ones prevail over what they contradict."""
    changes = list[Change]()
    for turn in conversation.turns:
        earlier = [change for change in changes if not any(_replaces(new, change) for new in turn.changes)]
        changes = earlier + [change for change in turn.changes if change not in earlier]
    wishes = tuple(_wishes(changes))
    known = [change.do for change in changes if change.do.endswith("-known")]
    rarity = 0.0 if not known else RARE if known[-1] == "lesser-known" else -RARE
    liked = [change.item for change in changes if change.do == "like"]
    texts = [change.text for change in changes if change.do == "say"]
    return Told(Wishes(wishes, rarity) if wishes or rarity else None, liked, texts)


def _replaces(new: Change, old: Change) -> bool:
    """Whether a change takes the place of an earlier one."""
    if new.do == old.do == "range":
        return new.column == old.column and _range_replaces(new, old)
    if new.do.endswith("-known"):
        return old.do.endswith("-known")
    if {new.do, old.do} == {"like", "drop"}:
        return new.item == old.item
    if new.column == Columns.ITEM and old.do == "drop":
        return old.item in new.values
    of_values = ("only", "without", "more", "less")
    if new.do not in of_values or old.do not in of_values or new.column != old.column:
        return False
    return new.do == old.do == "only" or not {*new.values}.isdisjoint(old.values)


def _range_replaces(new: Change, old: Change) -> bool:
    """Whether a range bounds the same side as an earlier one, or leaves nothing of it."""
    low, high = _bounds(new)
    old_low, old_high = _bounds(old)
    same_side = (low is not None and old_low is not None) or (high is not None and old_high is not None)
    empty = (low is not None and old_high is not None and low >= old_high) or (
        high is not None and old_low is not None and high <= old_low
    )
    return same_side or empty


def _bounds(change: Change) -> tuple[float | None, float | None]:
    low = change.above if change.least is None else change.least
    return low, change.below if change.most is None else change.most


def _wishes(changes: Sequence[Change]) -> Iterator[Wish]:
    for change in changes:
        column, values = change.column, change.values
        if change.do == "range":
            yield Wish(column, (), change.above, change.least, change.below, change.most)
        elif change.do == "drop":
            yield Wish(Columns.ITEM, [change.item], unmet=True)
        elif change.do == "only":
            yield Wish(column, values)
        elif change.do == "without":
            yield Wish(column, values, unmet=True)
        elif change.do in ("more", "less"):
            yield Wish(column, values, by=PREFERRED if change.do == "more" else -PREFERRED)


def request_of(
    conversation: Conversation, request: Request, policy: Sequence[Policy], encode: Callable[[str], TextEvent]
) -> Request:
    """Give a request as a conversation changes it.

    Parameters
    ----------
    conversation
        What was said.
    request
        What is asked without it.
    policy
        Steps of a request that names none: those of the model.
    encode
        Reads what the user looks for.
    """
    asks, (items, events, times) = told(conversation), request.columns
    more = len(asks.liked)
    return replace(
        request,
        history=History(items + asks.liked, events + [""] * more, times + [-math.inf] * more),
        texts=(*request.texts, *map(encode, asks.texts)),
        policy=with_wishes(request.policy, policy, asks.wishes),
    )


def with_wishes(
    asked: Sequence[Policy] | None, own: Sequence[Policy], wishes: Wishes | None
) -> Sequence[Policy] | None:
    """Let wishes follow the steps of a request or, if it names none, those of the model."""
    return asked if wishes is None else (*(own if asked is None else asked), wishes)
