"""Lists with the user's interests in their proportions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.policy.base import Listing, Scored
from tailrank.policy.shortlist import Places, Strength, relevance, shortlist
from tailrank.policy.values import Categories, categories

SMOOTHING: Final = 0.01
"""Share of the user's own distribution in that of the list, so that it is nowhere zero: Steck's alpha."""


@dataclass(frozen=True)
class Calibration:
    """Fills the first ranks so that their categories are distributed as those of the user's events.

    The next item maximises (1 - strength) s - strength KL(p, q): calibrated recommendations (Steck, 2018). s
    is the sum of the scores, each scaled to 0 to 1; p is the distribution of categories over the user's
    events, q that over the ranks so far with the new item, with a hundredth of p mixed in. An item of several
    categories counts in equal parts for each; events on items of none don't count, and without any others
    nothing changes.

    Attributes
    ----------
    column
        Of the items, that names their category or categories; None calibrates head and tail.
    strength
        From 0, by scores alone, to 1, by proportion alone.
    places
        Ranks to fill.

    Raises
    ------
    RequestError
        On a setting out of its bounds; when it is applied, if items have no such column.
    """

    column: str | None = None
    strength: Strength = 0.5
    places: Places = 10

    name: ClassVar[str] = "calibration"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def check(self, listing: Listing) -> None:
        """Check that items have the column."""
        if self.column is not None:
            listing.attribute(self.column, categories)

    def apply(self, scored: Scored) -> Scored:
        """Re-order the first ranks."""
        if not self.strength:
            return scored
        best = shortlist(scored, self.places)
        likes, items = self._read(scored.listing_for(self.name), best)
        wanted = distribution(likes)
        if not wanted:
            return scored
        chosen = self._chosen(relevance(scored.scores[best]), items, wanted)
        return scored.reordered(self.name, best[chosen])

    def _chosen(self, scores: Floats, items: list[Categories], wanted: Mapping[str, float]) -> list[int]:
        """Choose rank by rank; of items of the same categories, only the best that is left is looked at."""
        groups = defaultdict[Categories, list[int]](list)
        for at, item in enumerate(items):
            groups[item].append(at)
        waiting = [group[::-1] for group in groups.values()]
        relevant = ((1 - self.strength) * scores).tolist()
        best = np.array([relevant[group[-1]] for group in waiting], np.float32)
        shares = np.array([*wanted.values()], np.float32)
        weights, adds = np.float32(self.strength) * shares, shares_added([*groups], wanted)
        chosen, so_far = list[int](), np.zeros(len(shares), np.float32)
        for _ in range(min(self.places, len(items))):
            # The mean over the list would divide by its length, which is the same for all.
            next_one = int((best + np.log(so_far + adds) @ weights).argmax())
            so_far += adds[next_one]
            group = waiting[next_one]
            chosen.append(group.pop())
            best[next_one] = relevant[group[-1]] if group else -np.inf
        return chosen

    def _read(self, listing: Listing, best: Offsets) -> tuple[list[Categories], list[Categories]]:
        """Give the categories of the user's events, and those of the best candidates."""
        if self.column is None:
            return _head_or_tail(listing.history_tail), _head_or_tail(listing.tail[best])
        return (
            listing.of_history(self.column, categories).tolist(),
            listing.attribute(self.column, categories)[best].tolist(),
        )


def _head_or_tail(tail: Bools) -> list[Categories]:
    return [("tail",) if each else ("head",) for each in tail.tolist()]


def distribution(events: Iterable[Categories]) -> dict[str, float]:
    """Distribute events over their categories; empty if none has any.

    Examples
    --------
    >>> distribution([("Drama", "War"), ("Drama",), ()])
    {'Drama': 0.75, 'War': 0.25}
    """
    sums = defaultdict[str, float](float)
    for event in events:
        part = 1 / (len(event) or 1)
        for category in event:
            sums[category] += part
    total = sum(sums.values())
    return {category: share / total for category, share in sums.items()}


def shares_added(groups: Sequence[Categories], wanted: Mapping[str, float]) -> Floats:
    """Say what an item of each group adds to the shares of categories in a list.

    Returns
    -------
    Floats
        q / p, where p are the shares that are wanted, shape (groups, categories). The mean over the items of
        a list is that of the list; the divergence is minus the mean of its logarithm, weighed by p.

    Examples
    --------
    >>> shares_added([("Drama", "War"), ()], {"Drama": 0.75, "War": 0.25}).round(3).astype(str).tolist()
    [['0.67', '1.99'], ['0.01', '0.01']]
    """
    numbers, n = {category: at for at, category in enumerate(wanted)}, len(wanted)
    added, cells, shares = np.full(len(groups) * n, SMOOTHING, np.float32), list[int](), list[float]()
    for row, group in enumerate(groups):
        for category in group:
            if category in numbers:
                cells.append(row * n + numbers[category])
                shares.append((1 - SMOOTHING) / (len(group) * wanted[category]))
    added[cells] += np.array(shares)
    return added.reshape(len(groups), n)
