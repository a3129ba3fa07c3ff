"""`Meanings`: the changes that parts of a turn ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from tailrank.api_conversation import Change, Command, Deed, Understood
from tailrank.arrays import Floats
from tailrank.conversation.acts import Acts, phrases
from tailrank.conversation.clauses import FILLERS, SLOT
from tailrank.conversation.lists import listed_words
from tailrank.conversation.patterns import FUNCTION_WORDS, SPENDING
from tailrank.conversation.sight import Clause, Sight
from tailrank.conversation.slots import Slot
from tailrank.conversation.vocabulary import Value, Vocabulary, words_of
from tailrank.data.columns import Columns

OF_VALUES: Final = ("only", "without", "more", "less")
OF_ITEMS: Final = ("like", "drop", "keep")
COMPARISONS: Final = {
    "cheaper": ("price", "lower"),
    "dearer": ("price", "higher"),
    "newer": ("year", "higher"),
    "older": ("year", "lower"),
}
KNOWN: Final = ("lesser-known", "better-known")
COMMANDS: Final = ("undo", "restart")
DESCRIBE, OTHER = "describe", "other"
ALL: Final = (*OF_VALUES, *OF_ITEMS, *COMPARISONS, *KNOWN, *COMMANDS, DESCRIBE, OTHER)

POINTING: Final = re.compile(r"\b(?:it|this|that|these|those|one|same|such|seen)\b", re.I)
"""What may stand for the item that is talked about."""

NEGATIVE: Final = re.compile(r"\b(?:no|not|nothing|without|except|never|hate|dislike|\w+n't|avoid)\b", re.I)
"""A text that says what is not wanted would find just that."""

ASKED: Final = re.compile(
    r"\b(?:why not|(?:is|are|do|does|has|have|would|could|can)n't (?:there|you|we|it))\b", re.I
)
"""Negations that only make a question of a wish."""

INDIFFERENT: Final = re.compile(r"\b(?:mind|care|matter|have to|needn't)\b", re.I)
"""What takes the weight from a negation, or from what it negates."""

BOUNDS: Final = frozenset({"range", "lower", "higher"})
"""Kinds of slots that bound a column."""

OPPOSITE: Final = {"above": "most", "least": "below", "below": "least", "most": "above"}
"""What a limit is if it is negated."""

GENERIC: Final = listed_words("generic")
"""Words that describe no item in particular."""


@dataclass(frozen=True)
class Meanings:
    """Finds what parts of one turn mean.

    Attributes
    ----------
    vocabulary
        Of the items.
    acts
        Tells what is wanted of what is named.
    vectors
        Of what the parts are written as.
    sight
        What the user speaks of.
    """

    vocabulary: Vocabulary
    acts: Acts
    vectors: Mapping[str, Floats]
    sight: Sight

    def of(self, clause: Clause) -> list[Understood]:
        """Say what a part means; nothing if that can't be said."""
        if not clause.slots:
            return list(self._by_words_alone(clause))
        if any(slot.kind == "item" and not slot.item for slot in clause.slots) or clause.of("number"):
            return []
        found = self._bounds(clause)
        bounded = {each.change.column for each in found if each.change is not None}
        if clause.of("value"):
            found += self._values(clause)
        elif clause.of("column"):
            found += self._columns(clause)
        elif clause.of("item"):
            found += self._items(clause)
        elif {slot.column for slot in clause.slots} - bounded:
            return []
        return [*found, *self._rest(clause, found)] if found else []

    def _judged(self, clause: Clause, possible: Iterable[str]) -> str:
        """Choose an act; `other` if none is likely."""
        judged = self.acts.judge(clause.written, self.vectors[clause.written], {*possible, OTHER})
        return judged.act if judged.is_believed else OTHER

    def _bounds(self, clause: Clause) -> list[Understood]:
        """Bound columns; the other way round if that is all that a negation can be about."""
        found = [*self._ranges(clause), *self._comparisons(clause)]
        negated = NEGATIVE.search(clause.text) and not ASKED.search(clause.text)
        if not negated or {slot.kind for slot in clause.slots} - BOUNDS:
            return found
        turned = [self._turned(clause, each) for each in found]
        return [] if INDIFFERENT.search(clause.text) else [each for each in turned if each is not None]

    def _turned(self, clause: Clause, bound: Understood) -> Understood | None:
        """Negate a bound of one side; what is outside of two is no range, nor what a bare price leaves."""
        old = cast("Change", bound.change)
        limits = {new: limit for name, new in OPPOSITE.items() if (limit := getattr(old, name)) is not None}
        if len(limits) > 1 or not bound.said[0].isalpha():
            return None
        change = Change("range", old.column, **limits)
        means = in_words(change) + bound.means.removeprefix(in_words(old))
        return Understood(self.sight.finder.restored(clause.text), means, change)

    def _ranges(self, clause: Clause) -> Iterator[Understood]:
        columns: dict[str, list[Slot]] = {}
        for slot in clause.of("range"):
            columns.setdefault(slot.column, []).append(slot)
        for column, slots in columns.items():
            for said, limits in _together(slots):
                change = Change("range", column, **cast("dict[str, Any]", limits))
                yield Understood(said, in_words(change), change)

    def _comparisons(self, clause: Clause) -> Iterator[Understood]:
        for slot in clause.of("lower", "higher"):
            than = None if slot.than is None else self.sight.finder.slots[slot.than].item
            named = [than] if than is not None else self.sight.named_items
            yield from self._compared(slot.column, slot.kind, self.sight.finder.restored(slot.text), named)

    def _compared(self, column: str, kind: str, said: str, named: Sequence[str]) -> Iterator[Understood]:
        """Bound a column by what it says of an item or, if none is named, by the median of what is shown."""
        items = list(named[-1:]) or self.sight.conversation.shown
        number = self.sight.number(column, items) if all(items) and items else None
        if number is None:
            return
        is_lower = kind == "lower"
        change = Change(
            "range", column, below=number if is_lower else None, above=None if is_lower else number
        )
        of = self.sight.title(items[0]) if named else "the median of what is shown"
        yield Understood(said, f"{in_words(change)}, {of}", change)

    def _compared_alone(self, column: str, kind: str, said: str) -> Iterator[Understood]:
        """Compare with what is named or shown, or, for who can spend more, with the limit that he had set."""
        limit = self.sight.limit(column) if kind == "higher" and SPENDING.search(said) else None
        if limit is None:
            yield from self._compared(column, kind, said, self.sight.named_items)
        else:
            # It leaves nothing of the limit, and so takes its place.
            change = Change("range", column, above=limit)
            yield Understood(said, f"{in_words(change)}, the limit until now", change)

    def _values(self, clause: Clause) -> Iterator[Understood]:
        act = self._judged(clause, OF_VALUES)
        if act == OTHER:
            return
        for column, values in self._grouped(clause, act):
            change = Change(cast("Deed", act), column, values)
            yield Understood(self.sight.finder.restored(clause.text), in_words(change), change)

    def _grouped(self, clause: Clause, act: str) -> Iterator[tuple[str, list[str]]]:
        """Put values of a column together; apart if an item can have several and is to have all of them."""
        groups: dict[str, list[str]] = {}
        for slot in clause.of("value"):
            value: Value = slot.value
            groups.setdefault(value.column, []).append(value.value)
        joined = re.search(r"\}\s*(?:,|and|or|/|&)\s*(?:a |the )?\{", clause.text, re.I)
        for column, values in groups.items():
            if act == "only" and column in self.vocabulary.lists and not joined:
                yield from ((column, [value]) for value in values)
            else:
                yield column, values

    def _columns(self, clause: Clause) -> Iterator[Understood]:
        """Take the values from the item that is named, or talked about."""
        act = self._judged(clause, OF_VALUES)
        item = next((slot.item for slot in clause.of("item")), self.sight.item)
        for slot in clause.of("column"):
            values = self.sight.values(slot.column, item)
            if act != OTHER and values:
                change = Change(cast("Deed", act), slot.column, values)
                said = self.sight.finder.restored(clause.text)
                yield Understood(said, f"{in_words(change)}, as {self.sight.title(item)}", change)

    def _items(self, clause: Clause) -> Iterator[Understood]:
        act = self._judged(clause, OF_ITEMS)
        if act != OTHER:
            items = list(dict.fromkeys(slot.item for slot in clause.of("item")))
            yield from self._of_items(act, items, self.sight.finder.restored(clause.text))

    def _of_items(self, act: str, items: list[str], said: str) -> Iterator[Understood]:
        """Keep items alone, like or drop each; one that went, so that no model knows it, can't be liked."""
        if act == "keep":
            means = f"only {' or '.join(map(self.sight.title, items))}"
            yield Understood(said, means, Change("only", Columns.ITEM, items))
            return
        means = "more like" if act == "like" else "without"
        for item, code in zip(items, self.sight.catalogue.codes_of(items), strict=True):
            if act == "drop" or code >= 0:
                change = Change(cast("Deed", act), item=item)
                yield Understood(said, f"{means} {self.sight.title(item)}", change)

    def _rest(self, clause: Clause, found: Sequence[Understood]) -> Iterator[Understood]:
        """Take what else a part says for a description of what is wanted."""
        wanted = all(each.change is None or each.change.do in ("only", "more", "range") for each in found)
        rest = {*words_of(SLOT.sub(" ", clause.text))} - plain_words()
        if wanted and rest and not NEGATIVE.search(clause.text):
            yield self._description(clause)

    def _description(self, clause: Clause) -> Understood:
        said = self.sight.finder.restored(clause.text)
        return Understood(said, f"a text to rank by: “{said}”", Change("say", text=said))

    def _by_words_alone(self, clause: Clause) -> Iterator[Understood]:
        act = self._judged(clause, ALL)
        said = clause.text
        if act in COMMANDS:
            means = "the last change is taken back" if act == "undo" else "all changes are taken back"
            means = means if self.sight.conversation.turns else "there is no change to take back"
            yield Understood(said, means, command=cast("Command", act))
        elif act in KNOWN:
            change = Change(cast("Deed", act))
            yield Understood(said, in_words(change), change)
        elif act in COMPARISONS and not INDIFFERENT.search(said):
            role, kind = COMPARISONS[act]
            if role in self.vocabulary.roles:
                yield from self._compared_alone(self.vocabulary.roles[role], kind, said)
        elif act in OF_ITEMS and self.sight.item and POINTING.search(said):
            yield from self._of_items(act, [self.sight.item], said)
        elif act in (DESCRIBE, "only", "more") and not NEGATIVE.search(said):
            yield self._description(clause)


def _together(ranges: Sequence[Slot]) -> list[tuple[str, Mapping[str, float]]]:
    """Give ranges of one column with their words; as one, from end to end, if they don't overlap."""
    each = [(slot.text, slot.limits) for slot in ranges]
    lows = [max(limits.get("least", -math.inf), limits.get("above", -math.inf)) for _, limits in each]
    highs = [min(limits.get("most", math.inf), limits.get("below", math.inf)) for _, limits in each]
    if max(lows) <= min(highs):
        return each
    if not math.isfinite(min(lows)) or not math.isfinite(max(highs)):
        return []  # "under 5 or over 9" is no range
    return [(" … ".join(said for said, _ in each), {"least": min(lows), "most": max(highs)})]


def in_words(change: Change) -> str:
    """Say what a change is, for people; those of items need a title and are said elsewhere."""
    values, limits = " or ".join(change.values), []
    for name, word in (("above", "above"), ("least", "at least"), ("below", "below"), ("most", "at most")):
        limit = getattr(change, name)
        if limit is not None:
            limits.append(f"{word} {limit:.15g}")
    return {
        "only": f"only {change.column} {values}",
        "without": f"without {change.column} {values}",
        "more": f"more of {change.column} {values}",
        "less": f"less of {change.column} {values}",
        "range": f"{change.column} {' and '.join(limits)}",
        "lesser-known": "items that few chose",
        "better-known": "items that many chose",
    }.get(change.do, change.do)


@cache
def plain_words() -> frozenset[str]:
    """Give the words with which users say what they want, but for those that describe it."""
    acts = [phrase.text for phrase in phrases() if phrase.act not in (DESCRIBE, OTHER)]
    return GENERIC.union(FUNCTION_WORDS, FILLERS, *map(words_of, acts))
