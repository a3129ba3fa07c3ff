"""Exploration within bounds: what may be learned from showing other items, and at what price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from msgspec import Meta

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.policy.base import Policy, Reordering, Scored

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

    def narrowed(self, policy: Iterable[Policy]) -> Self:
        """Take over the bounds of the steps of exploration in a policy, as far as they are narrower.

        Examples
        --------
        >>> Exploration(moves=3).narrowed([Exploration(moves=5, tail_places=1)])
        Exploration(places=10, moves=3, tail_places=1)
        """
        steps: list[Exploration] = [self, *(each for each in policy if isinstance(each, Exploration))]
        return replace(
            self,
            places=min(each.places for each in steps),
            moves=min(each.moves for each in steps),
            tail_places=min(each.tail_places for each in steps),
        )

    def apply(self, scored: Scored) -> Scored:
        """Swap scores within the list, as far as the bounds allow."""
        if scored.bonus is None or not self.moves or not scored.scores.size:
            return scored
        best = scored.order[: self.places + self.moves]
        wishes = scored.scores.take(best) + scored.bonus.take(best)
        order = self._order(wishes.tolist(), (scored.rarity.take(best) > TAIL).tolist())
        return replace(scored.reordered(self.name, best[order]), explored=Reordering(best, order))

    def _order(self, wishes: list[float], tail: list[bool]) -> list[int]:
        """Order items, given in the order without exploration, by wished scores within the bounds.

        From the first rank on, the best of the items that may come so far up is next, unless another one
        may fall no further: exactly one reaches its last rank at a time, so that there is always a way.
        """
        order, tail_places = list[int](), self.tail_places
        left = sorted(range(len(wishes)), key=wishes.__getitem__, reverse=True)
        for rank in range(min(self.places, len(wishes))):
            item = rank - self.moves
            if item not in left:
                for item in left:  # the best that may come
                    if item <= rank + self.moves and (item < self.places or tail_places or not tail[item]):
                        break
            tail_places -= item >= self.places and tail[item]
            left.remove(item)
            order.append(item)
        return order + sorted(left)

    def orders(self, wished: Floats, tail: Bools) -> Offsets:
        """Order the best items of many lists as `apply` orders those of one.

        Parameters
        ----------
        wished
            Scores with their bonus, in the order without exploration, shape (lists, items).
        tail
            Which of the items count as tail, shape (items,).

        Returns
        -------
        Offsets
            The item at each rank, shape (lists, items).
        """
        left, (n, items) = wished.copy(), wished.shape
        order, every = np.empty((n, items), np.int64), np.arange(n)
        places, from_below = min(self.places, items), tail & (np.arange(items) >= self.places)
        budget = np.full(n, self.tail_places)
        left[budget <= 0] = np.where(from_below, -np.inf, wished)[budget <= 0]
        for rank in range(places):
            item = left[:, : rank + self.moves + 1].argmax(axis=1)
            if (last := rank - self.moves) >= 0:
                item[np.isfinite(left[:, last])] = last
            order[:, rank], left[every, item] = item, -np.inf
            budget -= from_below[item]
            left[np.ix_(budget <= 0, from_below)] = -np.inf
        is_left = np.ones((n, items), bool)
        is_left[every[:, None], order[:, :places]] = False
        order[:, places:] = is_left.nonzero()[1].reshape(n, items - places)
        return order


def explored_last(policy: Iterable[Policy], step: Exploration) -> tuple[Policy, ...]:
    """Give a step of exploration the last word, and any others none."""
    return (*(each for each in policy if not isinstance(each, Exploration)), step)
