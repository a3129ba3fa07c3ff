"""`Learning`: a server lives by what is learned, and one process of the machine learns from its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from tailrank.errors import ModelError, RequestError, TailrankError
from tailrank.feedback.exploring_fusion import Explorer, ExploringFusion
from tailrank.feedback.learner import KIND, LearningNote
from tailrank.feedback.learning_process import Order, Report
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.outcome_sums import OutcomeSums
from tailrank.ranking.fusion import Fusion
from tailrank.server.alerts import log_alerts
from tailrank.server.learned_weights import WeightsPast
from tailrank.server.log_process import run_log_process
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.state.base import StateError

FOLLOW_EVERY: Final = 1.0
"""Seconds between two looks at what was learned."""

LOG_EVERY: Final = 60.0
"""Seconds after which the same trouble is logged again."""

log = logging.getLogger("tailrank.server")


def check_learnable(offline: Fusion, model: str) -> None:
    """Check that weights can be corrected.

    Raises
    ------
    RequestError
        If the model doesn't know how much its signals vary.
    """
    if offline.spreads is None:
        raise RequestError(f"--learn: {model} is of an older format, without deviations: train it again")


class Learning:
    """Lets one worker of this machine learn from its log, and this worker rank by what all logs taught.

    Parameters
    ----------
    folder
        Of the log.
    location
        Of the state.
    models
        What ranks.
    metrics
        Where outcomes and decisions are counted.
    explorer
        How rankings explore around that; None if they don't.

    Attributes
    ----------
    weights
        What was followed.
    """

    def __init__(
        self,
        folder: Path,
        location: str,
        models: ModelManager,
        metrics: Metrics,
        explorer: Explorer | None = None,
    ) -> None:
        self._folder, self._location, self._models, self._metrics = folder, location, models, metrics
        self._explorer, self.weights = explorer, WeightsPast()
        self._followed: tuple[str, Mapping[str, bytes]] = "", {}
        self._fusion: Fusion
        """Of these notes, that is, of these sums."""
        self._sums: OutcomeSums
        self._troubles = dict[str, float]()

    async def follow(self) -> None:
        """Rank by what was learned, from a second after it was noted on, for ever."""
        while True:
            try:
                await self._follow()
            except StateError as why:
                self._warn(str(why))
            except Exception:  # whatever it is, the next time it may work
                log.exception("what was learned can't be followed")
            await asyncio.sleep(FOLLOW_EVERY)

    async def have_learned(self) -> None:
        """Run the process that learns, unless another worker does; for ever."""
        await run_log_process("tailrank.feedback.learning_process", self._folder, self._tell, self._take)

    async def _follow(self) -> None:
        notes, served = await self._models.state.notes(KIND), self._models.served
        if (served.name, notes) != self._followed:
            self._read(served.name, notes)
            self._followed = served.name, notes
        if (
            served.reranker.fusion is not self._fusion
        ):  # a model that was loaded anew begins at its own weights
            await self._models.rank_by(self._fusion, served.name)

    def _read(self, model: str, notes: Mapping[str, bytes]) -> None:
        """Make weights of what all logs taught, unless these are the same."""
        online, published = OnlineFusion.start(self._models.offline), 0.0
        for name, note in notes.items():
            try:
                found = LearningNote.decoded(note)
                if found.model == model:
                    online.sums = online.sums.plus(found.served(online))
                    published = max(published, found.published)
            except (ModelError, RequestError) as why:
                self._warn(f"what log {name} taught is left out: {why}")
        self._metrics.learned_outcomes.set(online.sums.outcomes.sum())
        self._metrics.learned_at.set(published)
        is_same = model == self._followed[0]
        if is_same and online.sums.equals(self._sums):
            return
        if not is_same:
            self.weights.begin()
        self.weights.add(online)
        exploring = self._explorer and ExploringFusion.from_online(online, self._explorer)
        self._fusion, self._sums = exploring or online.fusion(), online.sums

    async def _tell(self, orders: asyncio.StreamWriter) -> None:
        """Tell which model serves, whenever it is another one."""
        told = ""
        while True:
            model, offline = self._models.served.name, self._models.offline
            if model != told:
                told = model
                try:
                    check_learnable(offline, model)
                    orders.write(msgspec.json.encode(Order.of(self._location, model, offline)) + b"\n")
                except TailrankError as why:
                    self._warn(str(why))
            await asyncio.sleep(FOLLOW_EVERY)

    def _take(self, line: bytes) -> None:
        """Count and log what was done."""
        report = msgspec.json.decode(line, type=Report)
        self._metrics.learned.inc(report.learned)
        self._metrics.unmatched.inc(report.unmatched)
        self._metrics.learning_lag.set(report.lag)
        for action, sentence in report.decisions:
            self._metrics.decisions.labels(action).inc()
            log.info("learned weights", extra={"action": action, "why": sentence})
        log_alerts(report.alerts)
        for trouble in report.trouble:
            self._warn(trouble)

    def _warn(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._troubles.get(why, -LOG_EVERY) + LOG_EVERY:
            self._troubles = {each: at for each, at in self._troubles.items() if at > now - LOG_EVERY}
            self._troubles[why] = now
            log.warning("learning is disturbed", extra={"why": why})
