"""Many rules at once: which of them hold for a request, and which contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.errors import RequestError
from tailrank.policy.base import Listing, Scalar
from tailrank.policy.conditions import as_expression, matches
from tailrank.policy.rule import DEEDS, Deed, Rule

Bits = npt.NDArray[np.uint8]
"""A bit a rule, and then one a condition on the history; shape (items, bytes)."""

T = TypeVar("T", bound=np.generic)

APART: Final = "tell them apart by `when`, `context`, `since` or `until`"


class Acting(NamedTuple):
    """Rules that hold, and which candidates meet them.

    Attributes
    ----------
    table
        Whose rules they are.
    picked
        Their positions in it.
    which
        Shape (picked, candidates); each has one.
    """

    table: RuleTable
    picked: npt.NDArray[np.intp]
    which: Bools

    @property
    def rules(self) -> list[Rule]:
        """The rules themselves."""
        return [self.table.rules[at] for at in self.picked.tolist()]

    def of(self, deed: Deed) -> Acting:
        """Choose those that do one thing."""
        chosen = self.table.deeds[self.picked] == DEEDS.index(deed)
        return Acting(self.table, self.picked[chosen], self.which[chosen])

    def by_name(self, rows: npt.NDArray[T]) -> dict[str, npt.NDArray[T]]:
        """Give a row to each, by what explanations call it."""
        return dict(zip([self.table.names[at] for at in self.picked.tolist()], rows, strict=True))


@dataclass(frozen=True)
class RuleTable:
    """Rules as columns.

    What rules say of items is worked out once for all of them, and kept as a bit for each item and rule.
    A request only looks up the bits of its candidates and of its history.

    Attributes
    ----------
    rules
        In their order.
    """

    rules: tuple[Rule, ...]

    def acting(self, listing: Listing) -> Acting:
        """Pick the rules that hold for a request, and that one of its candidates meets."""
        bits, live = self._bits(listing), self._live(listing)
        packed = np.zeros(bits.shape[1], np.uint8)
        packed[: -(-len(live) // 8)] = np.packbits(live)
        met = np.bitwise_or.reduce(bits & packed, axis=0)
        picked = np.unpackbits(met, count=len(live)).nonzero()[0]
        return Acting(self, picked, _columns(bits, picked).T)

    def check(self, listing: Listing) -> None:
        """Check that rules which may hold at the same time don't contradict each other on these items.

        Raises
        ------
        RequestError
            Naming two rules and an item.
        """
        bits = self._bits(listing)
        pins = [at for at, rule in enumerate(self.rules) if rule.then == "pin"]
        for at in pins:
            items = _columns(bits, np.array([at]))[:, 0].nonzero()[0]
            shared = np.unpackbits(np.bitwise_or.reduce(bits[items], axis=0), count=len(self.rules))
            for other in shared.nonzero()[0].tolist():
                if self._contradict(at, other):
                    both = items[_columns(bits[items], np.array([other]))[:, 0]]
                    raise self._contradiction(at, other, f"item {listing.ids[int(both[0])]!r} meets both")
            for other in pins[: pins.index(at)]:
                pin, earlier = self.rules[at], self.rules[other]
                if pin.rank == earlier.rank and pin.overlaps(earlier):
                    raise self._contradiction(other, at, f"both pin to rank {pin.rank}")

    def met(self, listing: Listing) -> Iterator[Bools]:
        """Say for each rule which items meet it, whether it holds or not."""
        bits = self._bits(listing)
        return (_columns(bits, np.array([at]))[:, 0] for at in range(len(self.rules)))

    def unmet(self, listing: Listing) -> list[str]:
        """List rules that none of these items meets, by their ids."""
        return [rule.id for rule, which in zip(self.rules, self.met(listing), strict=True) if not which.any()]

    def _bits(self, listing: Listing) -> Bits:
        found: Bits = listing.derived(self._key, self._matches)
        return found

    def _live(self, listing: Listing) -> Bools:
        """Say which rules hold for this request, shape (rules,)."""
        live: Bools = (self._since <= listing.now) & (listing.now < self._until)
        for name, (without, by_value) in self._contexts.items():
            value = listing.context.get(name)
            live &= by_value.get(value, without) if isinstance(value, str | int | float) else without
        asking = live & (self._history >= 0)
        if asking.any():
            held = np.bitwise_or.reduce(listing.derived_of_history(self._key, self._matches), axis=0)
            met = np.unpackbits(held, count=len(self._conditions))[len(self.rules) :].astype(bool)
            live[asking] = met[self._history[asking]]
        return live

    def _contradict(self, pin: int, other: int) -> bool:
        """Whether a rule that shares an item with a pin says something else of it."""
        rule = self.rules[other]
        is_other = rule.then in ("filter", "bury") or (rule.then == "pin" and other > pin)
        return is_other and self.rules[pin].overlaps(rule)

    def _contradiction(self, one: int, other: int, why: str) -> RequestError:
        names = " and ".join(f"{self.rules[at].id!r} ({self.rules[at].then})" for at in sorted((one, other)))
        return RequestError(f"rules {names} contradict each other: {why}: {APART}")

    def _matches(self, items: pl.DataFrame) -> Bits:
        """Work out what rules say of items."""
        schema = tuple(items.schema.items())
        if schema not in self._expressions:
            self._expressions[schema] = self._read(dict(schema))
        return matches(self._expressions[schema], items)

    def _read(self, schema: Mapping[str, pl.DataType]) -> list[tuple[str, pl.Expr]]:
        """Make each condition one that polars works out."""
        found = list[tuple[str, pl.Expr]]()
        for name, condition in self._conditions:
            try:
                found.append((condition, as_expression(condition, schema)))
            except RequestError as why:
                raise RequestError(f"rule {name!r}: {why}") from None
        return found

    @cached_property
    def _expressions(self) -> dict[tuple[tuple[str, pl.DataType], ...], list[tuple[str, pl.Expr]]]:
        return {}

    @cached_property
    def _conditions(self) -> list[tuple[str, str]]:
        """Conditions, each with the id of a rule: on items, and then on histories."""
        rules = self.rules
        on_histories = {rule.history: rule.id for rule in reversed(rules) if rule.history is not None}
        return [
            *((rule.id, rule.when) for rule in rules),
            *((name, text) for text, name in on_histories.items()),
        ]

    @cached_property
    def _key(self) -> str:
        return sha256(repr(self._conditions).encode()).hexdigest()

    @cached_property
    def _history(self) -> npt.NDArray[np.intp]:
        """Position of each rule's condition on the history, -1 for none."""
        places = {text: at for at, (_, text) in enumerate(self._conditions[len(self.rules) :])}
        return np.array(
            [-1 if rule.history is None else places[rule.history] for rule in self.rules], np.intp
        )

    @cached_property
    def names(self) -> list[str]:
        """What explanations call each rule."""
        return [f"rule {rule.id}" for rule in self.rules]

    @cached_property
    def deeds(self) -> npt.NDArray[np.intp]:
        """What each rule does, as its position in `DEEDS`, shape (rules,)."""
        return np.array([DEEDS.index(rule.then) for rule in self.rules], np.intp)

    @cached_property
    def by(self) -> Floats:
        """What each rule adds, shape (rules,)."""
        return np.array([rule.by or 0 for rule in self.rules], np.float32)

    @cached_property
    def _since(self) -> Doubles:
        return np.array([-np.inf if rule.since is None else rule.since for rule in self.rules])

    @cached_property
    def _until(self) -> Doubles:
        return np.array([np.inf if rule.until is None else rule.until for rule in self.rules])

    @cached_property
    def _contexts(self) -> dict[str, tuple[Bools, dict[Any, Bools]]]:
        """By name: which rules hold without it, and with which value."""
        names = dict.fromkeys(name for rule in self.rules for name in rule.context)
        return {name: _by_value([rule.context for rule in self.rules], name) for name in names}


def _columns(bits: Bits, at: npt.NDArray[np.intp]) -> Bools:
    """Unpack some of the bits of each item, shape (items, picked)."""
    found: Bools = (bits[:, at >> 3] >> (7 - (at & 7)).astype(np.uint8) & 1).astype(bool)
    return found


def _by_value(
    contexts: Sequence[Mapping[str, tuple[Scalar, ...]]], name: str
) -> tuple[Bools, dict[Any, Bools]]:
    without = np.array([name not in context for context in contexts])
    given = [context.get(name, ()) for context in contexts]
    values = dict.fromkeys(value for each in given for value in each)
    return without, {value: without | [value in each for each in given] for value in values}
