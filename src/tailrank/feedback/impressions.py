"""`Impression`: a ranking as it was shown, with all that was known of it then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats, Offsets
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.signal_values import SignalValues


@dataclass(frozen=True, eq=False)
class Impression:
    """A list of items that a user was shown.

    Attributes
    ----------
    ranking_id
        By which events may name it.
    user_id
        Whom it was shown to; empty if that isn't known.
    time
        When it was made, in seconds since 1970.
    model
        The name of the model that ranked, as the server gives it; empty if another system did.
    item_ids
        In the order shown.
    previous_ranks
        Rank of each in the request, from 1, shape (items,).
    scores
        What the list was sorted by, shape (items,); NaN if that isn't known.
    signals
        What the signals said then, shape (items, signals); NaN for an item that the model didn't know.
    signal_names
        Names of the signals; none if nothing is known of them, as when the ranking was degraded.
    count_levels
        As fusion tells items apart by their interactions, 0 if that isn't known; shape (items,).
    history_bucket
        As fusion tells histories apart by their length.
    propensities
        The chance that the item was shown at its rank, shape (items,); 1 if nothing was left to chance.
    policy
        Names of the steps after the score.
    upstream
        The scores that came with the request, shape (items,), NaN for items without one; None if none came.
    degraded
        Why it is the order of the request; empty if it isn't.
    """

    ranking_id: str
    user_id: str
    time: float
    model: str
    item_ids: Sequence[str]
    previous_ranks: Offsets
    scores: Doubles
    signals: Floats
    signal_names: tuple[str, ...]
    count_levels: Codes
    history_bucket: int
    propensities: Doubles
    policy: tuple[str, ...] = ()
    upstream: Doubles | None = None
    degraded: str = ""

    @classmethod
    def from_ranking(cls, ranking: Ranking, *, user_id: str, time: float, model: str) -> Self:
        """Take a ranking as it is shown.

        Parameters
        ----------
        ranking
            With its signals, if the request kept them.
        user_id, time, model
            As the attributes.
        """
        n = len(ranking.item_ids)
        signals = ranking.signals
        if signals is None:
            signals = SignalValues((), np.empty((n, 0), np.float32), np.zeros(n, np.int32), 0)
        return cls(
            ranking.ranking_id,
            user_id,
            time,
            model,
            ranking.item_ids,
            np.array(ranking.previous_ranks, np.int64),
            np.array(ranking.scores),
            signals.values,
            signals.names,
            signals.count_levels,
            signals.history_bucket,
            np.ones(n) if ranking.explored is None else ranking.explored.chances(n),
        )

    def __len__(self) -> int:
        return len(self.item_ids)

    def __repr__(self) -> str:
        return f"Impression({self.ranking_id}: {len(self)} items for {self.user_id or 'nobody'})"

    @property
    def known(self) -> Bools:
        """Items of which the signals said something, shape (items,)."""
        known: Bools = np.asarray(np.isfinite(self.signals).all(axis=1))
        return known if self.signal_names else np.zeros(len(self), np.bool_)
