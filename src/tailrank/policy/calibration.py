"""Lists with the user's interests in their proportions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.policy.base import Listing, Scored
from tailrank.policy.shortlist import Places, Strength, fill, relevance, shortlist
from tailrank.policy.values import Categories, categories

SMOOTHING: Final = 0.01
"""Share of the user's own distribution in that of the list, so that it is nowhere zero: Steck's alpha."""


@dataclass(frozen=True)
class Calibration:
    """Fills the first ranks so that their categories are distributed as those of the user's events.

    The next item maximises (1 - strength) s - strength KL(p, q): calibrated recommendations (Steck, 2018). s
    is the sum of the scores, each scaled to 0 to 1; p is the distribution of categories over the user's
    events, q that over the ranks so far with the new item, with a hundredth of p mixed in. An item of several
    categories counts in equal parts for each, and one of none not at all. Without events on items with
    categories nothing changes.

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

    def apply(self, scored: Scored) -> Scored:
        """Re-order the first ranks."""
        if not self.strength:
            return scored
        best = shortlist(scored, self.places)
        likes, items = self._read(scored.listing_for(self.name), best)
        wanted = distribution(likes)
        if not wanted:
            return scored
        groups = defaultdict[Categories, list[int]](list)
        for at, item in enumerate(items):
            groups[item].append(at)
        worth = negative_divergence(wanted, list(groups))
        scores = relevance(scored.scores[best])
        chosen = fill(scores, [*groups.values()], self.places, self.strength, worth)
        return scored.reordered(self.name, best[chosen])

    def _read(self, listing: Listing, best: Offsets) -> tuple[list[Categories], list[Categories]]:
        """Give the categories of the user's events, and those of the best candidates."""
        if self.column is None:
            return _head_or_tail(listing.history_tail), _head_or_tail(listing.tail[best])
        return categories(listing.of_history(self.column)), categories(listing.attribute(self.column)[best])


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
        for category in event:
            sums[category] += 1 / len(event)
    total = sum(sums.values())
    return {category: share / total for category, share in sums.items()}


def negative_divergence(wanted: dict[str, float], groups: list[Categories]) -> Callable[[Floats], Floats]:
    """Measure how near a list comes to a distribution by one more item of each group.

    Parameters
    ----------
    wanted
        Shares of categories, above 0.
    groups
        The categories of each group of items.

    Returns
    -------
    Callable
        From items of each group in the list to the negative divergence with one more; shape (groups,) both.
    """
    shares, numbers = np.array([*wanted.values()], np.float32), {each: at for at, each in enumerate(wanted)}
    cells = [(row, numbers[each]) for row, group in enumerate(groups) for each in group if each in numbers]
    sizes = np.array([len(group) for group in groups], np.float32)
    ratios, counted = np.zeros((len(groups), len(wanted)), np.float32), np.minimum(sizes, 1)[:, None]
    rows, columns = np.array(cells, np.int64).reshape(-1, 2).T
    ratios[rows, columns] = (1 - SMOOTHING) / sizes[rows] / shares[columns]

    def worth(counts: Floats) -> Floats:
        shown = (counts @ ratios + ratios) / np.maximum(counts @ counted + counted, 1)
        negative: Floats = np.log(SMOOTHING + shown) @ shares
        return negative

    return worth
