"""How feedback is learned from, and what each event says of an item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Doubles
from tailrank.bounds import check_bounds
from tailrank.errors import RequestError
from tailrank.feedback.attribution import DISLIKES, Outcome

REWARDS: Final[Mapping[str, float]] = MappingProxyType(
    {"purchase": 3.0, "skip": -1.0} | dict.fromkeys(DISLIKES - {"skip"}, -2.0)
)
"""What an event says of the item, in clicks; below 0 it speaks against it. Of another type, it says 1."""

LARGEST_REWARD: Final = 1_000.0
"""What no reward exceeds, so that sums of many stay numbers."""


def examination_by_rank(ranks: int = 20) -> Doubles:
    """Say how likely users look at each rank, relative to the first: 1 / rank, as in Joachims et al. (2017).

    Examples
    --------
    >>> examination_by_rank(4).round(2).tolist()
    [1.0, 0.5, 0.33, 0.25]
    """
    return 1 / np.arange(1.0, ranks + 1)


@dataclass(frozen=True)
class LearningSettings:
    """How feedback is learned from.

    Attributes
    ----------
    shared_sd
        How far the weight of a signal may be from the offline one, alike in all history buckets: standard
        deviation of the prior, in log-odds by one standard deviation of the signal.
    own_sd
        How far each bucket may be from that.
    half_life
        Seconds after which an outcome counts half; None forgets nothing.
    examination
        How likely users look at each rank, relative to each other, from the first rank on. What is further
        down wasn't seen.
    rewards
        What events say of the item by their type, in clicks; those of a type that isn't named say 1.
    passed_over
        The same of what was passed over on the way to a click. A click says already that it was liked better
        than what else was seen, so this is 0 unless more is meant.

    Raises
    ------
    RequestError
        On a setting out of its bounds.
    """

    shared_sd: Annotated[float, Meta(ge=1e-6, le=10)] = 0.1
    own_sd: Annotated[float, Meta(ge=1e-6, le=10)] = 0.03
    half_life: Annotated[float, Meta(gt=0)] | None = 7 * 86_400.0
    examination: tuple[float, ...] = tuple(examination_by_rank().tolist())
    rewards: Mapping[str, float] = field(default_factory=lambda: REWARDS)
    passed_over: Annotated[float, Meta(ge=-LARGEST_REWARD, le=0)] = 0.0

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.examination or not all(0 < seen < math.inf for seen in self.examination):
            raise RequestError("examination must be one number above 0 for each rank, the first rank first")
        for name, reward in self.rewards.items():
            if not abs(reward) <= LARGEST_REWARD:
                raise RequestError(
                    f"the reward of {name!r} must be a number within ±{LARGEST_REWARD:g}, not {reward!r}"
                )

    @property
    def seconds_to_half(self) -> float:
        """The half-life, infinite if nothing is forgotten."""
        return math.inf if self.half_life is None else self.half_life

    def rewards_of(self, outcome: Outcome) -> Doubles:
        """Say what became of each item, in clicks, shape (items,): the worst of its events, else the best."""
        found = outcome.clicked.astype(np.float64)
        rewards = {name: self.rewards.get(name, 1.0) for name in outcome.times}
        for name in sorted(rewards, key=lambda name: (rewards[name] < 0, abs(rewards[name]))):
            found[~np.isnan(outcome.times[name])] = rewards[name]
        return np.where(outcome.skipped, self.passed_over, found) if self.passed_over else found
