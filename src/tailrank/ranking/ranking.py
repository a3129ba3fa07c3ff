"""The ranking that a ranker returns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, NamedTuple, overload

from tailrank.ranking.display import html_table
from tailrank.ranking.explored import Explored
from tailrank.ranking.parts import Contributions, Moves
from tailrank.ranking.signal_values import SignalValues

SHOWN: Final = 5
"""Items of a ranking that its short form names."""


class RankedItem(NamedTuple):
    """One item of a ranking; ranks count from 1.

    `previous_rank` is the rank in the request. `known` is False for an item that the model doesn't know.
    `contributions` are the parts of the score by name, if the request asked for them.
    """

    item_id: str
    score: float
    rank: int
    previous_rank: int
    known: bool = True
    contributions: dict[str, float] | None = None


def new_id() -> str:
    """Make an id of a ranking up."""
    return os.urandom(12).hex()


@dataclass(frozen=True)
class Ranking(Sequence[RankedItem]):
    """Candidates in their new order, best first; equal scores keep the order of the request.

    It is a sequence of `RankedItem`, and holds the same as columns.

    Attributes
    ----------
    item_ids, scores, previous_ranks
        One an item.
    known
        Whether the model knows the item; None if it knows all of them.
    contributions
        What the scores are made of; None unless asked for.
    unknown_history
        Items of the history that the model doesn't know.
    history_length
        How many events of the history were read: the latest ones of known items, at most `max_history`.
    ranking_id
        Different for each ranking, unless its request said what to call it.
    signals
        What the signals said; None unless asked for.
    removed
        Candidates that a policy took from the list, and why.
    moves
        Where each step after the score put the items; None unless contributions were asked for.
    explored
        What tells how likely the list was, if exploration was the last step; kept with the signals.
    """

    item_ids: list[str]
    scores: list[float]
    previous_ranks: list[int]
    known: list[bool] | None = None
    contributions: Contributions | None = field(default=None, compare=False)
    unknown_history: list[str] = field(default_factory=list)
    history_length: int = 0
    ranking_id: str = field(default_factory=new_id, compare=False)
    signals: SignalValues | None = field(default=None, compare=False, repr=False)
    removed: dict[str, str] = field(default_factory=dict)
    moves: Moves | None = field(default=None, compare=False, repr=False)
    explored: Explored | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.item_ids)

    def __repr__(self) -> str:
        shown = [f"{name} {score:.2f}" for name, score in zip(self.item_ids, self.scores, strict=True)]
        more = ["…"] if len(shown) > SHOWN else []
        return f"Ranking({len(self)} items: {', '.join(shown[:SHOWN] + more)})"

    def _repr_html_(self) -> str:
        names = () if self.contributions is None else self.contributions.names
        parts = repeat(()) if self.contributions is None else self.contributions.values.tolist()
        ranks = range(1, len(self) + 1)
        columns = zip(ranks, self.previous_ranks, self.item_ids, self.scores, parts)  # noqa: B905 - they agree
        return html_table(["rank", "was", "item", "score", *names], ((*row[:4], *row[4]) for row in columns))

    def __iter__(self) -> Iterator[RankedItem]:
        ranks = range(1, len(self) + 1)
        known = repeat(True) if self.known is None else self.known
        contributions = repeat(None) if self.contributions is None else self.contributions.by_item()
        # `_make` on rows: a long list takes a fifth less time than by calls with six arguments.
        columns = (self.item_ids, self.scores, ranks, self.previous_ranks, known, contributions)
        return map(RankedItem._make, zip(*columns, strict=False))

    @overload
    def __getitem__(self, at: int) -> RankedItem: ...
    @overload
    def __getitem__(self, at: slice) -> list[RankedItem]: ...
    def __getitem__(self, at: int | slice) -> RankedItem | list[RankedItem]:
        return list(self)[at]
