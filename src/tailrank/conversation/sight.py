"""What a part of a turn is about: what it names, and what the user sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tailrank.api_conversation import Conversation
from tailrank.conversation.said import told
from tailrank.conversation.slots import Slot, SlotFinder
from tailrank.policy.base import Reader
from tailrank.policy.values import categories
from tailrank.policy.wishes import numbers
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.reasons import titles_of


@dataclass(frozen=True)
class Clause:
    """A part of a turn.

    Attributes
    ----------
    text
        With `{0}` for what it names.
    slots
        What that is, in order.
    written
        As the encoder reads it; empty if it need not be read.
    """

    text: str
    slots: Sequence[Slot] = ()
    written: str = ""

    def of(self, *kinds: str) -> list[Slot]:
        """List the slots of some kinds."""
        return [slot for slot in self.slots if slot.kind in kinds]


@dataclass(frozen=True)
class Sight:
    """What the user has before him.

    Attributes
    ----------
    conversation
        Until now.
    catalogue
        Knows the items.
    finder
        Found the slots of the turn.
    """

    conversation: Conversation
    catalogue: Catalogue
    finder: SlotFinder

    @property
    def item(self) -> str:
        """The item that is talked about: the last one named, liked in the turn before, or the first shown."""
        if self.named_items:
            return self.named_items[-1]
        turns, shown = self.conversation.turns, self.conversation.shown
        liked = [change.item for change in turns[-1].changes if change.do == "like"] if turns else []
        return (liked or shown or [""])[-1 if liked else 0]

    @cached_property
    def named_items(self) -> list[str]:
        """Items that the turn names, whatever for."""
        return [slot.item for slot in self.finder.slots if slot.kind == "item" and slot.item]

    def number(self, column: str, items: Sequence[str]) -> float | None:
        """Give the median of a column; None if it says nothing of the items."""
        found = self.look(column, items, numbers).astype(np.float64)
        known = found[np.isfinite(found)]
        return float(np.median(known)) if len(known) else None

    def limit(self, column: str) -> float | None:
        """Give the upper limit of a column that the user has set; None if there is none."""
        wishes = told(self.conversation).wishes
        limits = [
            limit
            for wish in (() if wishes is None else wishes.wishes)
            for limit in (wish.below, wish.most)
            if wish.column == column and limit is not None
        ]
        return min(limits, default=None)

    def values(self, column: str, item: str) -> list[str]:
        """Give what a column of categories says of an item."""
        return list(self.look(column, [item], categories)[0]) if item else []

    def look(self, column: str, items: Sequence[str], read: Reader) -> Any:
        """Look a column up."""
        return self.catalogue.attributes.of(column, items, self.catalogue.codes_of(items), read)

    def title(self, item: str) -> str:
        """Name an item for people."""
        return f"“{titles_of(self.catalogue, [item])[item]}”"
