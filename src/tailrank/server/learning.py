"""`Learning`: a server lives by what is learned, and one process of the machine learns from its log."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import msgspec

from tailrank.errors import ModelError, RequestError, TailrankError
from tailrank.feedback.learner import KIND, LearningNote
from tailrank.feedback.learning_process import Order, Report
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.ranking.fusion import Fusion
from tailrank.server.metrics import Metrics
from tailrank.server.model_manager import ModelManager
from tailrank.state.base import StateError

FOLLOW_EVERY: Final = 1.0
"""Seconds between two looks at what was learned, and at who learns."""

LOCK: Final = "learning.lock"
"""Below the folder of the log: held by whoever learns from it."""

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
    """

    def __init__(self, folder: Path, location: str, models: ModelManager, metrics: Metrics) -> None:
        self._folder, self._location, self._models, self._metrics = folder, location, models, metrics
        self._followed: tuple[str, Mapping[str, bytes]] = "", {}
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
        while True:
            try:
                with (self._folder / LOCK).open("wb") as lock, suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    await self._run(lock.fileno())
            except OSError as why:
                self._warn(str(why))
            await asyncio.sleep(FOLLOW_EVERY)

    async def _follow(self) -> None:
        notes, model = await self._models.state.notes(KIND), self._models.served.name
        if (model, notes) == self._followed:
            return
        online, published = OnlineFusion.start(self._models.offline), 0.0
        for name, note in notes.items():
            try:
                found = LearningNote.decoded(note)
                if found.model == model:
                    online.sums = online.sums.plus(found.served(online))
                    published = max(published, found.published)
            except (ModelError, RequestError) as why:
                self._warn(f"what log {name} taught is left out: {why}")
        await self._models.rank_by(online.fusion(), model)
        self._metrics.learned_outcomes.set(online.sums.outcomes.sum())
        self._metrics.learned_at.set(published)
        self._followed = model, notes

    async def _run(self, lock: int) -> None:
        """Run the process until it ends; it holds the lock, too, and ends with this one."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tailrank.feedback.learning_process", str(self._folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(lock,),
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        orders = cast("asyncio.StreamWriter", process.stdin)
        reports = cast("asyncio.StreamReader", process.stdout)
        telling = asyncio.create_task(self._tell(orders))
        try:
            async for line in reports:
                self._take(msgspec.json.decode(line, type=Report))
            self._warn(f"the process that learns ended with {await process.wait()}")
        finally:
            telling.cancel()
            orders.close()
            await process.wait()

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

    def _take(self, report: Report) -> None:
        """Count and log what was done."""
        self._metrics.learned.inc(report.learned)
        self._metrics.unmatched.inc(report.unmatched)
        self._metrics.learning_lag.set(report.lag)
        for action, sentence in report.decisions:
            self._metrics.decisions.labels(action).inc()
            log.info("learned weights", extra={"action": action, "why": sentence})
        for trouble in report.trouble:
            self._warn(trouble)

    def _warn(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._troubles.get(why, -LOG_EVERY) + LOG_EVERY:
            self._troubles = {each: at for each, at in self._troubles.items() if at > now - LOG_EVERY}
            self._troubles[why] = now
            log.warning("learning is disturbed", extra={"why": why})
