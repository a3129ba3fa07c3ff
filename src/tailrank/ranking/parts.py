"""What scores are made of, and where steps after the score moved items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tailrank.arrays import Doubles, Offsets

LIST_MEAN: Final = "list mean"
"""The contribution that is the same for all items of a list."""

RANK_KEPT: Final = "rank kept"
"""The contribution, and the last step, of a list in which unknown items keep their ranks."""


class Contributions(NamedTuple):
    """What the scores of a ranking are made of, in log-odds: the list's mean, and what sets each item apart.

    Attributes
    ----------
    names
        `list mean` is the mean score of the candidates that the model knows. The others say how much more an
        item gets than these do on average: `base` for how often it was chosen, whatever the history;
        `upstream` for the caller's own score (of several recommenders, `upstream NAME` each); signals and
        policies by their names; `rank kept` for keeping the rank of an unknown item.
    values
        Shape (items, names); a row adds up to the item's score.
    """

    names: tuple[str, ...]
    values: Doubles

    def by_item(self) -> Iterator[dict[str, float]]:
        """Give the contributions of each item by name."""
        return (dict(zip(self.names, row)) for row in self.values.tolist())  # noqa: B905 - they agree


class Move(NamedTuple):
    """What a step after the score did to one item: its rank before and after, from 1.

    An item also moves up when one above it is taken from the list.
    """

    step: str
    before: int
    after: int


class Moves(NamedTuple):
    """Where the items of a ranking were after each step.

    Attributes
    ----------
    steps
        Names of the policies in their order; the last one is `rank kept` if unknown items kept their ranks.
    ranks
        From 1, shape (items, 1 + steps): first those by the score, then those after each step.
    """

    steps: tuple[str, ...]
    ranks: Offsets

    def by_item(self) -> Iterator[tuple[Move, ...]]:
        """Give the moves of each item, step by step."""
        return (tuple(map(Move, self.steps, row, row[1:])) for row in self.ranks.tolist())
