"""The wire shapes of a conversation about a list, which the package `conversation` works on, too."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tailrank.api import Id, Ranking, RankRequest, check_bytes
from tailrank.bounds import MAX_TEXT

MAX_TURNS: Final = 50
MAX_SHOWN: Final = 100
MAX_CHANGES: Final = 20
"""Of one turn."""

MAX_CHANGES_IN_ALL: Final = 200
"""Of a conversation: each new one is held against all earlier ones."""

MAX_VALUES: Final = MAX_TEXT // 2
"""Of a change: a turn has no more words."""

Deed: TypeAlias = Literal[
    "only", "without", "more", "less", "range", "like", "drop", "say", "lesser-known", "better-known"
]
Command: TypeAlias = Literal["undo", "restart"]
Number: TypeAlias = float | None


class Change(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the user wants otherwise from now on.

    `only`, `without`, `more` and `less` of `values` of a `column`; a `range` of its numbers: `above`,
    `least`, `below`, `most`; an `item` that lists should be `like`, or that leaves them (`drop`); a `text`
    that is read as what the user looks for (`say`); items that are `lesser-known`, or `better-known`.
    """

    do: Deed
    column: Annotated[str, Meta(max_length=100)] = ""
    values: Annotated[list[Annotated[str, Meta(max_length=MAX_TEXT)]], Meta(max_length=MAX_VALUES)] = []
    above: Number = None
    least: Number = None
    below: Number = None
    most: Number = None
    item: Annotated[str, Meta(max_length=400)] = ""
    text: Annotated[str, Meta(max_length=MAX_TEXT)] = ""

    def __post_init__(self) -> None:
        has_limit = any(limit is not None for limit in (self.above, self.least, self.below, self.most))
        complete = {
            "range": bool(self.column) and has_limit,
            "like": bool(self.item),
            "drop": bool(self.item),
            "say": bool(self.text.strip()),
            "lesser-known": True,
            "better-known": True,
        }
        if not complete.get(self.do, bool(self.column and self.values)):
            raise ValueError(f"a change that is to do {self.do!r} lacks what it is about")
        check_bytes("item", self.item)
        self.text.encode()  # half a surrogate pair can't be encoded


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """What the user said, and what changed by it."""

    text: Annotated[str, Meta(max_length=MAX_TEXT)]
    changes: Annotated[list[Change], Meta(max_length=MAX_CHANGES)]


class Conversation(Struct, frozen=True, forbid_unknown_fields=True):
    """What was said so far, oldest first, and the items that the user sees now, the first rank first.

    The caller keeps it, and sends it back with the next turn. Without its last turn, that is undone.
    """

    turns: Annotated[list[Turn], Meta(max_length=MAX_TURNS)] = []
    shown: Annotated[list[Id], Meta(max_length=MAX_SHOWN)] = []

    def __post_init__(self) -> None:
        count = sum(len(turn.changes) for turn in self.turns)
        if count > MAX_CHANGES_IN_ALL:
            raise ValueError(f"a conversation holds at most {MAX_CHANGES_IN_ALL} changes, not {count}")


class Understood(Struct, frozen=True):
    """A part of a turn, what it was taken to mean, in words, and the change or command that this is."""

    said: str
    means: str
    change: Change | None = None
    command: Command | None = None


class Reading(Struct, frozen=True):
    """What a turn was taken to mean, and the parts of it that nothing was made of."""

    text: str
    understood: list[Understood]
    not_understood: list[str]


class ConversationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What the user says of the list; `request` ranks, and `conversation` is that of the last answer.

    Without a `text`, the request is ranked by what was said until now.
    """

    request: RankRequest
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)] | None = None
    conversation: Conversation = Conversation()

    def __post_init__(self) -> None:
        if self.text is not None:
            self.text.encode()  # half a surrogate pair can't be encoded
            if not self.text.strip():
                raise ValueError("a turn must say something")


class ConversationAnswer(Struct, frozen=True):
    """What was understood and what wasn't; the conversation from now on, and the ranking by it.

    If nothing was understood, the conversation is as it was, and so is the list.
    """

    understood: list[Understood]
    not_understood: list[str]
    conversation: Conversation
    ranking: Ranking
