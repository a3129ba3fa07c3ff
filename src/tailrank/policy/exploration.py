"""Exploration within bounds: what may be learned from showing other items, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from tailrank.arrays import Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.policy.base import Scored

TAIL: Final = 0.5
"""Rarity above which an item counts as tail here: by their log, its interactions are nearer to none."""


@dataclass(frozen=True)
class Exploration:
    """Re-orders the top of a list by scores with their bonus, each item within bounds.

    Without a bonus nothing changes. The item that comes to a rank takes over the score of that rank, so that
    the scores of the list stay as they were.

    Attributes
    ----------
    places
        Ranks that are explored, from the first; further down only what they left moves up or down.
    moves
        Ranks that an item may move by exploration, at most.
    tail_places
        How many of these ranks may go to tail items that were below all of them, at most.

    Raises
    ------
    RequestError
        On a setting out of its bounds.

    Examples
    --------
    >>> import numpy as np
    >>> scores, bonus = np.array([3.0, 2.0, 1.0], np.float32), np.array([0.0, 0.0, 9.0], np.float32)
    >>> scored = Exploration(moves=1).apply(Scored(scores, np.zeros(3, np.float32), bonus=bonus))
    >>> scored.contributions["exploration"].round(2).tolist()
    [0.0, -1.0, 1.0]
    """

    places: Annotated[int, Meta(ge=1)] = 10
    moves: Annotated[int, Meta(ge=0)] = 5
    tail_places: Annotated[int, Meta(ge=0)] = 2

    name: ClassVar[str] = "exploration"
    listwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Swap scores within the list, as far as the bounds allow."""
        if scored.bonus is None or not self.moves or not scored.scores.size:
            return scored
        exploited = scored.order
        order = self._order(exploited, scored.scores + scored.bonus, scored.rarity)
        return scored.reordered(self.name, order)

    def _order(self, exploited: Offsets, wished: Floats, rarity: Floats) -> Offsets:
        """Order items, given in the order without exploration, by wished scores within the bounds.

        From the first rank on, the best of the items that may come so far up is next, unless another one
        may fall no further: exactly one reaches its last rank at a time, so that there is always a way.
        """
        wishes, tail = wished.take(exploited).tolist(), (rarity.take(exploited) > TAIL).tolist()
        waiting: list[tuple[float, int]] = []
        order, placed, tail_places = list[int](), set[int](), self.tail_places
        for rank in range(min(self.places, len(wishes))):
            for item in range(rank + self.moves if rank else 0, min(rank + self.moves + 1, len(wishes))):
                heappush(waiting, (-wishes[item], item))
            item = rank - self.moves
            while item < 0 or item in placed or (item >= self.places and tail[item] and not tail_places):
                item = heappop(waiting)[1]
            tail_places -= item >= self.places and tail[item]
            order.append(item)
            placed.add(item)
        order += [item for item in range(len(wishes)) if item not in placed]
        return exploited[order]
