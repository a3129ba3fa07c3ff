"""Holds a share of the first places for the long tail, over the rankings of one process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import ClassVar

from tailrank.policy.base import Scored
from tailrank.policy.exposure import Exposure
from tailrank.policy.exposure_price import ExposurePrice, Spent
from tailrank.ranking.request import Ranking, Request
from tailrank.ranking.reranker import Reranker


class ExposureControl:
    """Ranks with `Exposure` as the last step, at a price that it learns from each ranking.

    Parameters
    ----------
    reranker
        What ranks.
    price
        Where to start, and what to hold.

    Attributes
    ----------
    price
        As learned so far.
    requests
        How many lists it has learned from.
    """

    def __init__(self, reranker: Reranker, price: ExposurePrice) -> None:
        self.reranker = reranker
        self.price = price
        self.requests = 0
        self._total = Spent(0.0, 0.0, 0.0)
        self._lock = Lock()

    @property
    def share(self) -> float:
        """Of the places of all lists so far, those with a tail item."""
        return self._total.share / max(self.requests, 1)

    @property
    def loss(self) -> float:
        """Share of the expected ndcg of all lists so far that this cost."""
        return self._total.loss / (self._total.best or 1.0)

    def rank(self, request: Request) -> Ranking:
        """Rank one request; threads may rank at once.

        Raises
        ------
        RequestError
            As `Reranker.rank` does.
        """
        policy = self.reranker.policy if request.policy is None else request.policy
        watched = _Watched(self.price.step)
        ranking = self.reranker.rank(replace(request, policy=[*policy, watched]))
        if watched.spent is not None:
            with self._lock:
                self.price = self.price.after(watched.spent)
                self.requests += 1
                self._total = Spent(*map(sum, zip(self._total, watched.spent, strict=True)))
        return ranking


@dataclass
class _Watched:
    """A step that remembers what it spent."""

    step: Exposure
    spent: Spent | None = None

    name: ClassVar[str] = Exposure.name
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        shown = self.step.apply(scored)
        self.spent = Spent.between(scored, shown, self.step.places)
        return shown
