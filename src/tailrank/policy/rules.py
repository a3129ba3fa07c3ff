"""Rules of the business: which items to filter, pin, boost or bury."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import itemgetter
from typing import Any, ClassVar, Final

import numpy as np

from tailrank.arrays import Offsets
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Listing, Scored
from tailrank.policy.rule import DEEDS, Rule
from tailrank.policy.rule_table import Acting, RuleTable

MOST: Final = 5_000
"""Rules of one step."""

FIELDS: Final = {field.name: field.name for field in fields(Rule)}


@dataclass(frozen=True)
class Rules:
    """Filters, boosts, buries and pins, in this order.

    A filter takes items from the list, by the reason `rule ID`; a boost adds to scores; what is buried goes
    below all others. Last, each pin puts the best candidate that meets it at its rank, which no later one
    moves. An item that is buried or pinned takes over the score of its new rank, by the name of its rule; so
    do those that make room, by `rules`.

    Attributes
    ----------
    rules
        In their order; also as mappings of their fields.

    Raises
    ------
    RequestError
        On a mistake in a rule, or an id that occurs twice.
    """

    rules: tuple[Rule, ...]

    name: ClassVar[str] = "rules"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.rules, list | tuple) or not 0 < len(self.rules) <= MOST:
            raise RequestError(f"rules must be a list of 1 to {MOST:,} rules")
        rules = tuple(each if isinstance(each, Rule) else read_rule(each) for each in self.rules)
        ids = [rule.id for rule in rules]
        if len(set(ids)) < len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise RequestError(f"two rules have the id {twice!r}: give each its own")
        object.__setattr__(self, "rules", rules)

    def check(self, listing: Listing) -> None:
        """Check that the items have the columns, and that no rules contradict each other on any of them.

        Raises
        ------
        RequestError
            Naming the rule, or two rules and an item.
        """
        self.table.check(listing)

    def apply(self, scored: Scored) -> Scored:
        """Do what the rules say of this list."""
        acting = self.table.acting(scored.listing_for(self.name))
        if not len(acting.picked):
            return scored
        filters, boosts, buries, pins = map(acting.of, DEEDS)
        added = self.table.by[boosts.picked, None] * boosts.which
        found = replace(
            scored,
            scores=scored.scores + added.sum(axis=0),
            contributions={**scored.contributions, **boosts.by_name(added)},
            removed={**scored.removed, **filters.by_name(filters.which)},
        )
        return _placed(found, buries, pins) if len(buries.picked) or len(pins.picked) else found

    @cached_property
    def table(self) -> RuleTable:
        """The rules as columns."""
        return RuleTable(self.rules)


def _placed(scored: Scored, buries: Acting, pins: Acting) -> Scored:
    """Move what is buried to the end, and what is pinned to its rank."""
    before, movers = scored.order, dict[str, Offsets]()
    free = np.ones(scored.scores.shape, bool)
    for name, which in buries.by_name(buries.which).items():
        movers[name] = before[(which & free)[before]]
        free &= ~which
    order, pinned = np.concatenate([before[free[before]], before[~free[before]]]), list[tuple[int, int]]()
    free = np.ones(scored.scores.shape, bool)
    asked = zip([rule.rank or 0 for rule in pins.rules], pins.by_name(pins.which).items(), strict=True)
    for rank, (name, which) in sorted(asked, key=itemgetter(0)):
        best = order[(which & free)[order]][:1]
        if len(best):
            free[best], movers[name] = False, best
            pinned.append((rank, int(best[0])))
    placed = order[free[order]].tolist()
    for rank, item in pinned:
        placed.insert(rank - 1, item)
    if placed == before.tolist():
        return scored
    return _by_name(scored, scored.reordered(Rules.name, np.array(placed)), movers)


def _by_name(before: Scored, after: Scored, movers: Mapping[str, Offsets]) -> Scored:
    """Put what moved items under the names of their rules, and of the others under that of the step."""
    left, contributions = after.scores - before.scores, dict(before.contributions)
    for name, items in movers.items():
        moved = np.zeros_like(left)
        moved[items] = left[items]
        left[items] = 0
        contributions[name] = contributions.get(name, 0) + moved
    contributions[Rules.name] = contributions.get(Rules.name, 0) + left
    return replace(after, contributions=contributions)


def read_rule(table: Any) -> Rule:
    """Make a rule of a mapping of its fields.

    Raises
    ------
    RequestError
        On an unknown field, a missing one, or anything that makes no sense.
    """
    if not isinstance(table, Mapping):
        raise RequestError(f"a rule is described by its fields, not by {table!r}")
    for key in table:
        if key not in FIELDS:
            raise RequestError(f"a rule has no field `{key}`: {instead_of(str(key), FIELDS)}")
    for key in ("id", "when", "then"):
        if key not in table:
            raise RequestError(f"a rule needs the field `{key}`")
    return Rule(**table)
