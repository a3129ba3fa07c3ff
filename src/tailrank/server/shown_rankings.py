"""`ShownRankings`: what has to be noted of a ranking that is about to be shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tailrank import api
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.records import ShownRecord
from tailrank.ranking.request import Request
from tailrank.server.experiment import Served
from tailrank.server.exposure import SharedExposure
from tailrank.server.loaded_model import SHOWN
from tailrank.server.metrics import Metrics
from tailrank.server.shown_lists import ShownLists


@dataclass(frozen=True)
class ShownRankings:
    """Counts and logs rankings as they are answered.

    Attributes
    ----------
    metrics
        Where they are counted.
    impressions
        Where they are logged; None if nowhere.
    lists
        Where lists are noted that a policy goes by; None notes none.
    exposure
        What learns from lists to hold a share for the tail; None if none is held.
    policies
        Version of the file of policies that rank for everybody; empty if there is none.
    """

    metrics: Metrics
    impressions: ImpressionLog | None = None
    lists: ShownLists | None = None
    exposure: SharedExposure | None = None
    policies: str = ""

    def note(self, request: api.RankRequest, asked: Request, served: Served) -> None:
        """Note a ranking of the model: of how many items of the head and the tail it consists, too."""
        if self.exposure is not None:
            self.exposure.learn()
        shown = served.ranking.item_ids[:SHOWN]
        of_head = len(served.model.head.intersection(shown))
        self.metrics.head.inc(of_head)
        self.metrics.tail.inc(len(shown) - of_head)
        self._log(request, asked, served)

    def note_degraded(
        self, request: api.RankRequest, asked: Request, served: Served, reason: api.DegradedReason
    ) -> None:
        """Note candidates that were given back as they came."""
        self.metrics.degraded.labels(reason).inc()
        self._log(request, asked, served, reason)

    def _log(self, request: api.RankRequest, asked: Request, served: Served, degraded: str = "") -> None:
        ranking, model, compared = served
        steps = model.reranker.steps(() if degraded else asked.policy)
        if self.lists is not None:
            self.lists.note(request, ranking.item_ids, steps)
        if self.impressions is None or not ranking.item_ids:
            return
        names, explored = [step.name for step in steps], ranking.explored
        shown = ShownRecord.from_ranking(
            ranking,
            user_id=request.user or request.session or "",
            time=time.time(),
            model=model.name,
            policy=(*names, self.policies) if self.policies else tuple(names),
            upstream=cast("Sequence[float] | None", asked.scores),
            degraded=degraded,
            compared=compared,
            deciles=model.deciles_of(ranking.item_ids[:SHOWN]),
        )
        self.impressions.add(shown, None if explored is None else explored.ensemble)
