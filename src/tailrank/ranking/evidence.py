"""What fusion may learn from counts: only what they say where they don't give away what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.data.splits import Split
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.fusion import count_levels
from tailrank.signals.base import ItemUpdates, Signal
from tailrank.signals.semantic import SemanticAttention

ARRIVING: Final = 0.1
"""Share of the items that fusion sees as if they had just arrived."""


@dataclass(frozen=True)
class Evidence:
    """Items as fusion sees them while it learns.

    An event that is held out is missing from its item's count. So where every item has events, one without
    any must be a target, and fusion would learn to put such items first. It therefore sees only the items
    whose counts say nothing of the kind (`Split.least_count`), and learns what to do with new items from a
    random tenth of these: they are scored as items are that arrive after training.

    Attributes
    ----------
    signals
        Fitted without the queries' targets; they know the arriving items twice, the second time as new.
    levels
        Count level of each item, 0 for the arriving ones, shape (items,).
    tail
        Items outside the most popular 20%, and the arriving ones, shape (items,).
    fair
        Items that are learned from, shape (items,).
    arriving
        Codes of the items that are seen as new, shape (n,).
    repeats
        Whether items of the history are candidates.
    """

    signals: tuple[Signal, ...]
    levels: Codes
    tail: Bools
    fair: Bools
    arriving: Codes
    repeats: bool

    @classmethod
    def draw(
        cls, split: Split, signals: tuple[Signal, ...], texts: Sequence[str], rng: np.random.Generator
    ) -> Self:
        """Choose the items that are seen as new: none where counts are honest as they are.

        Parameters
        ----------
        split
            Whose validation queries are learned from.
        signals
            Fitted without the queries' targets.
        texts
            Of the items, shape (items,).
        rng
            Source of the choice.
        """
        fair, levels = split.learnable_items, count_levels(split.train.counts)
        tail = tail_items(split.train.counts)
        if not split.least_count:
            return cls(signals, levels, tail, fair, np.zeros(0, np.int32), split.repeats)
        choice = rng.choice(np.flatnonzero(fair), round(ARRIVING * fair.sum()), replace=False)
        arriving = np.sort(choice).astype(np.int32)
        levels[arriving], tail[arriving] = 0, True
        return cls(_with_copies(signals, arriving, texts), levels, tail, fair, arriving, split.repeats)

    @property
    def new(self) -> Bools:
        """Items without interactions, the arriving ones among them, shape (items,)."""
        new: Bools = self.levels == 0
        return new

    def score(self, histories: Histories) -> list[Floats]:
        """Give every signal of every item; each of shape (histories, items)."""
        n_items = len(self.levels)
        everything = Candidates.everything(n_items + len(self.arriving))
        found = []
        for signal in self.signals:
            scores = signal.score(histories, everything)
            scores[:, self.arriving] = scores[:, n_items:]
            found.append(scores[:, :n_items])
        return found

    def candidates(self, queries: Queries) -> Bools:
        """Mark the candidates of each query, shape (queries, items).

        Nobody has had an item that has just arrived, so those of the history are none.
        """
        allowed = np.repeat(self.fair[None], len(queries), axis=0)
        h = queries.full_histories
        hidden = np.ones(len(h.items), bool) if not self.repeats else np.isin(h.items, self.arriving)
        allowed[h.owners[hidden], h.items[hidden]] = False
        return allowed

    def learnable(self, queries: Queries) -> Bools:
        """Whether a query's target is one to learn from, shape (queries,)."""
        return self.fair[queries.targets] & ~(queries.repeated & np.isin(queries.targets, self.arriving))


def _with_copies(signals: Sequence[Signal], codes: Codes, texts: Sequence[str]) -> tuple[Signal, ...]:
    """Add a copy of each of some items behind all others, as if it had just come."""
    n_items, n = len(texts), len(codes)
    spaces = [signal for signal in signals if isinstance(signal, SemanticAttention)]
    vectors = {signal.space: signal.vectors_of(codes) for signal in spaces}
    copies = ItemUpdates(
        np.arange(n_items, n_items + n, dtype=np.int32),
        n_items + n,
        [texts[code] for code in codes],
        vectors,
        {name: np.zeros_like(found) for name, found in vectors.items()},
    )
    return tuple(signal.with_items(copies) for signal in signals)
