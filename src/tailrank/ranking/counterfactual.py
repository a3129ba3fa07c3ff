"""Which past events an item owes its rank to: the fewest without which it leaves the top of the list."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb
from typing import Final, TypeAlias

import numpy as np

from tailrank.data.histories import History
from tailrank.errors import RequestError
from tailrank.policy.exploration import Exploration
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.parts import RANK_KEPT
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

TRIES: Final = 2_000
"""Sets of events to rank without, at most: all pairs of 50 events, and more."""

AT_ONCE: Final = 100
"""Sets that are ranked without by one call."""

Events: TypeAlias = tuple[int, ...]
"""Positions in a history."""


@dataclass(frozen=True)
class Counterfactual:
    """Events without which an item isn't among the first `k`: a ranking without them has shown it.

    Attributes
    ----------
    item_id, k
        What it is about.
    rank, rank_without
        The item's rank with these events and without them; None if a policy then takes it from the list.
    events
        Positions in the history of the request, from 0.
    event_items
        Their item ids.
    smallest
        Whether every smaller set was tried; otherwise no event of this one can be spared, but another set
        may be smaller.
    """

    item_id: str
    k: int
    rank: int
    rank_without: int | None
    events: Events
    event_items: tuple[str, ...]
    smallest: bool


def counterfactual(
    reranker: Reranker, request: Request, item_id: str, k: int, largest: int = 5, tries: int = TRIES
) -> Counterfactual | None:
    """Find the smallest set of past events without which an item leaves the first `k`.

    Events are sorted by how much more they contribute to the item than to the one at rank k + 1, which would
    take its place (Ghazimatin et al., 2020, "PRINCE"; Tran et al., 2021, "Counterfactual explanations for
    neural recommenders"). Taking away the first of them until the item leaves gives a set, from which those
    that can be spared are left out. Then smaller sets are tried, all of one size before the next, as far as
    `tries` go. What is returned was ranked without, by every policy but exploration.

    Parameters
    ----------
    reranker, request
        What ranks, and what was asked.
    item_id
        Of one of the first `k`.
    k
        Ranks at the top.
    largest
        Events in a set, at most.
    tries
        Sets to rank without, at most; the search for the first set adds fewer than twice `largest`.

    Returns
    -------
    Counterfactual or None
        None if no such set was found: what else is known of the item keeps it there.

    Raises
    ------
    RequestError
        If the item isn't among the first `k`, or as `Reranker.rank` does.
    """
    search = _Search(reranker, request, item_id, k, tries)
    found, smallest = search.smaller(search.spared(search.greedy(largest)), largest)
    return None if found is None else search.result(found, smallest)


class _Search:
    """Ranks without sets of events, and counts how often.

    Attributes
    ----------
    request
        What was asked, without chance.
    rank
        Of the item.
    ordered
        The events that the signals saw, those first that are worth most to the item.
    tries
        Rankings that are left.
    """

    def __init__(self, reranker: Reranker, request: Request, item_id: str, k: int, tries: int) -> None:
        steps = reranker.policy if request.policy is None else request.policy
        self.reranker, self.item_id, self.k, self.tries = reranker, item_id, k, tries
        self.request = replace(
            request,
            history=request.columns,
            policy=[step for step in steps if not isinstance(step, Exploration)],
            k=None,
            explain=False,
            keep_signals=False,
            time=time.time() if request.time is None else request.time,
        )
        found = reranker.explain(replace(self.request, k=k + 1))
        ranks = {each.item_id: rank for rank, each in enumerate(found, start=1)}
        if ranks.get(item_id, k + 1) > k:
            raise RequestError(f"{item_id!r} isn't among the first {k}, so it can't leave them")
        self.rank = ranks[item_id]
        item = found[self.rank - 1]
        keeps_rank = RANK_KEPT in item.contributions and not item.leanings
        self.ordered = () if keeps_rank or len(found) <= k else self._ordered(item, found[k])

    def _ordered(self, item: Explanation, next_one: Explanation) -> Events:
        """Sort the events that the signals saw by what they are worth to the item, less to the next one."""
        items = self.request.columns.items
        seen = np.flatnonzero(self.reranker.catalogue.codes_of(items) >= 0)
        seen = seen[len(seen) - len(item.events) :]
        worth = np.zeros(len(seen))
        for sign, each in ((1, item), (-1, next_one)):
            for shares in each.by_event.values():
                worth += sign * np.array(shares)
        return tuple(seen[(-worth).argsort(kind="stable")].tolist())

    def greedy(self, largest: int) -> Events | None:
        """Take away one event after the other until the item leaves."""
        return self.first(self.ordered[:size] for size in range(1, 1 + min(largest, len(self.ordered))))

    def spared(self, found: Events | None) -> Events | None:
        """Leave out events that can stay without the item coming back."""
        for event in reversed(found or ()):
            fewer = tuple(other for other in found or () if other != event)
            if fewer and self.first([fewer]) is not None:
                found = fewer
        return found

    def smaller(self, found: Events | None, largest: int) -> tuple[Events | None, bool]:
        """Find a smaller set than the one found, and say whether all were tried that are smaller still."""
        for size in range(1, largest + 1 if found is None else len(found)):
            if comb(len(self.ordered), size) > self.tries:
                return found, False
            smaller = self.first(combinations(self.ordered, size))
            if smaller is not None:
                return smaller, True
        return found, True

    def first(self, sets: Iterable[Events]) -> Events | None:
        """Find the first of some sets without which the item isn't among the first k."""
        left = iter(sets)
        while some := list(islice(left, AT_ONCE)):
            self.tries -= len(some)
            rankings = self.reranker.rank_many([self.without(events) for events in some])
            for events, ranking in zip(some, rankings, strict=True):
                if self.item_id not in ranking.item_ids[: self.k]:
                    return events
        return None

    def without(self, events: Events) -> Request:
        """Ask the same without some events."""
        gone = set(events)
        items, types, times = self.request.columns
        kept = [at for at in range(len(items)) if at not in gone]
        history = History([items[at] for at in kept], [types[at] for at in kept], [times[at] for at in kept])
        return replace(self.request, history=history)

    def result(self, events: Events, smallest: bool) -> Counterfactual:
        """Rank once more to say where the item is without them."""
        events, items = tuple(sorted(events)), self.request.columns.items
        ids = self.reranker.rank(self.without(events)).item_ids
        rank = 1 + ids.index(self.item_id) if self.item_id in ids else None
        return Counterfactual(
            self.item_id, self.k, self.rank, rank, events, tuple(items[at] for at in events), smallest
        )
