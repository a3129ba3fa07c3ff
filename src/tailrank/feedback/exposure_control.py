"""Holds a share of the first places for the long tail, over the rankings of one process."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock, local
from typing import ClassVar

from tailrank.policy.base import Scored
from tailrank.policy.exposure import Exposure
from tailrank.policy.exposure_price import ExposurePrice, Spent
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


class HeldExposure:
    """A step: `Exposure`, at a price that it learns from each list that is shown.

    Parameters
    ----------
    price
        Where to start, and what to hold.

    Attributes
    ----------
    price
        As learned so far.
    requests
        How many lists it has learned from.
    """

    name: ClassVar[str] = Exposure.name
    listwise: ClassVar[bool] = True

    def __init__(self, price: ExposurePrice) -> None:
        self.price = price
        self.requests = 0
        self._total = Spent(0.0, 0.0, 0.0)
        self._lock, self._latest = Lock(), local()

    @property
    def share(self) -> float:
        """Of the places of all lists so far, those with a tail item."""
        return self._total.share / max(self.requests, 1)

    @property
    def loss(self) -> float:
        """Share of the expected ndcg of all lists so far that this cost."""
        return self._total.loss / (self._total.best or 1.0)

    def apply(self, scored: Scored) -> Scored:
        """Exchange head items for tail items, and remember what that cost until `learn` is called."""
        step = self.price.step
        shown = step.apply(scored)
        self._latest.spent = Spent.between(scored, shown, step.places)
        return shown

    def learn(self) -> Spent | None:
        """Learn from the latest list of this thread, which is shown; returns what it spent.

        None if it was empty, or there is none from which nothing was learned yet.
        """
        spent: Spent | None = getattr(self._latest, "spent", None)
        self._latest.spent = None
        if spent is not None:
            with self._lock:
                self.price = self.price.after(spent)
                self.requests += 1
                self._total = Spent(*map(sum, zip(self._total, spent, strict=True)))
        return spent


class ExposureControl(HeldExposure):
    """Ranks with itself as the last step.

    Parameters
    ----------
    reranker
        What ranks.
    price
        Where to start, and what to hold.
    """

    def __init__(self, reranker: Reranker, price: ExposurePrice) -> None:
        super().__init__(price)
        self.reranker = reranker

    def rank(self, request: Request) -> Ranking:
        """Rank one request, and learn from it; threads may rank at once.

        Raises
        ------
        RequestError
            As `Reranker.rank` does.
        """
        policy = self.reranker.policy if request.policy is None else request.policy
        ranking = self.reranker.rank(replace(request, policy=[*policy, self]))
        self.learn()
        return ranking
