"""`SharedExposure`: a share of the first places for the tail, held by all workers of a state together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from tailrank.errors import RequestError
from tailrank.feedback.exposure_control import HeldExposure
from tailrank.policy.base import Policy
from tailrank.policy.exposure import Exposure
from tailrank.policy.exposure_price import LOWEST, ExposurePrice
from tailrank.server.metrics import Metrics
from tailrank.state.base import State, StateError

KIND: Final = "exposure"
"""Of the notes that hold prices."""

MEET_EVERY: Final = 1.0
"""Seconds between two meetings of this worker's price and the one that all share."""

SAME: Final = 1e-3
"""Difference of two logarithms of prices below which they count as one."""

RECENT: Final = 1_000
"""Rankings over which the share and the loss are told, or so: older ones fade."""

Prices = tuple[float, float]
"""Logarithms: what the target asks for, and what the cap allows."""

log = logging.getLogger("tailrank.server")


def held_steps(steps: Iterable[Policy]) -> tuple[tuple[Policy, ...], HeldExposure | None]:
    """Put a step that learns its price in the place of the one that has a target; gives that, too.

    Raises
    ------
    RequestError
        If several have one.
    """
    found, held = list[Policy](), None
    for step in steps:
        if not isinstance(step, Exposure) or step.target is None:
            found.append(step)
        elif held is None:
            held = HeldExposure(ExposurePrice(step.target, step.max_loss, step.places))
            found.append(held)
        else:
            raise RequestError("two steps `exposure` have a `target`: only one can be held; take one out")
    return tuple(found), held


class SharedExposure:
    """Learns the price from the rankings of this worker, and shares it with the others.

    Once a second, this worker's price and the one that is noted in the state both become their mean, on the
    scale of logarithms. That keeps their sum, so what `ExposurePrice` guarantees of one process holds for the
    requests of all workers together, unless two write at the same moment; and their prices come together. A
    worker that starts begins at the price that is noted.

    Parameters
    ----------
    held
        The step.
    state
        Where the price is noted.
    metrics
        Where price, share and loss are told.
    """

    def __init__(self, held: HeldExposure, state: State, metrics: Metrics) -> None:
        self.held, self._state, self._metrics = held, state, metrics
        price = held.price
        self._name = f"target {price.target:g}, max_loss {price.max_loss:g}, places {price.places}"
        self._recent, self._learned, self._met = np.zeros(3), 0, False

    def learn(self) -> None:
        """Learn from the ranking that was just made, and is shown."""
        spent = self.held.learn()
        if spent is not None:
            self._learned += 1
            self._recent += (np.array(spent) - self._recent) / min(self._learned, RECENT)

    async def follow(self) -> None:
        """Share the price, for ever; while the state is out of reach, this worker learns alone."""
        while True:
            try:
                await self.meet()
            except StateError:
                pass  # rankings say so
            except Exception:  # whatever it is, the next time it may work
                log.exception("the price of exposure can't be shared")
            self._tell()
            await asyncio.sleep(MEET_EVERY)

    async def meet(self) -> None:
        """Let this worker's price and the one that is noted become their mean.

        Raises
        ------
        StateError
            If the state is out of reach.
        """
        noted = _decoded((await self._state.notes(KIND)).get(self._name))
        price, begins, self._met = self.held.price, not self._met, True
        if noted is not None and begins:
            self.held.price = replace(price, asked=noted[0], allowed=noted[1])
            return
        own = price.asked, price.allowed
        if noted is not None and max(abs(own[0] - noted[0]), abs(own[1] - noted[1])) < SAME:
            return
        mean = own if noted is None else ((own[0] + noted[0]) / 2, (own[1] + noted[1]) / 2)
        self.held.price = replace(price, asked=mean[0], allowed=mean[1])
        await self._state.put_note(KIND, self._name, msgspec.msgpack.encode(mean))

    def _tell(self) -> None:
        share, loss, best = self._recent.tolist()
        self._metrics.exposure_price.set(self.held.price.step.price)
        if self._learned:
            self._metrics.exposure_share.set(share)
            self._metrics.exposure_loss.set(loss / (best or 1.0))


def _decoded(note: bytes | None) -> Prices | None:
    """Read a note; None if there is none, or it is something else."""
    try:
        found = None if note is None else msgspec.msgpack.decode(note, type=Prices)
    except msgspec.DecodeError:
        return None
    return found if found is not None and all(LOWEST <= each <= 0 for each in found) else None
