"""Two rankings in one list, so that one user's clicks choose between them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from tailrank.errors import RequestError
from tailrank.feedback.assignment import drawn_bytes

A, B, NOBODY = 0, 1, -1
"""Whose an item of an interleaved list is."""


@dataclass(frozen=True)
class Interleaving:
    """A list made of two.

    Attributes
    ----------
    items
        Item ids, in the order to show.
    teams
        Whom a click on each item speaks for: `A`, `B` or `NOBODY`.
    """

    items: tuple[str, ...]
    teams: tuple[int, ...]

    def credits(self, clicked: Container[str]) -> tuple[int, int]:
        """Count the clicked items of the first ranking and of the second.

        Examples
        --------
        >>> shown = team_draft(["tea", "milk"], ["tea", "salt"], experiment="new-fusion", ranking_id="r1")
        >>> shown.credits({"tea"}), shown.credits({"tea", "milk"})
        ((0, 0), (1, 0))
        """
        won = [team for item, team in zip(self.items, self.teams, strict=True) if item in clicked]
        return won.count(A), won.count(B)


def team_draft(
    a: Sequence[str], b: Sequence[str], *, experiment: str, ranking_id: str, k: int | None = None
) -> Interleaving:
    """Let two rankings take turns in picking items, as captains pick teams.

    Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval quality?" (CIKM 2008),
    algorithm 2: in each round each ranking picks its best item that isn't taken yet, and a coin says which
    goes first. Items that both have at the same leading ranks are shown there and speak for nobody, as does
    what is left once one ranking has nothing to pick. The coins are drawn from the names, so the list is the
    same whenever it is made again.

    Parameters
    ----------
    a, b
        Item ids of the two rankings, best first.
    experiment, ranking_id
        What the coins depend on.
    k
        Length of the list; by default as long as it gets.

    Raises
    ------
    RequestError
        On a `k` below 1.

    Examples
    --------
    >>> shown = team_draft(["tea", "milk", "salt"], ["salt", "milk", "tea"], experiment="x", ranking_id="r1")
    >>> sorted(shown.items), sorted(shown.teams)
    (['milk', 'salt', 'tea'], [0, 0, 1])
    """
    if k is not None and k < 1:
        raise RequestError(f"k must be at least 1, not {k}")
    alike = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))]
    shown = dict.fromkeys(alike, NOBODY)
    left = [list(reversed(a)), list(reversed(b))]
    length = len(a) + len(b) if k is None else k
    size, coins = [0, 0], _coins(experiment, ranking_id, len(a) + len(b))
    while len(shown) < length and _drop_taken(left, shown):
        team = next(coins) if size[A] == size[B] else int(size[B] < size[A])
        shown[left[team].pop()] = team
        size[team] += 1
    for items in left:  # one of which is empty, unless the list is full
        shown |= {item: shown.get(item, NOBODY) for item in reversed(items)}
    return Interleaving(tuple(shown)[:k], tuple(shown.values())[:k])


def _drop_taken(left: list[list[str]], taken: Container[str]) -> bool:
    """Drop items that are taken from the ends of both lists, and say whether both have some left."""
    for items in left:
        while items and items[-1] in taken:
            items.pop()
    return all(left)


def _coins(experiment: str, ranking_id: str, n: int) -> Iterator[int]:
    drawn = np.frombuffer(drawn_bytes(experiment, ranking_id, n // 8 + 1), np.uint8)
    return iter(np.unpackbits(drawn).tolist())
